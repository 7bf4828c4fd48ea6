// Asking the browser for a passkey. Without this script, or where there are none, the passphrase is there.
// What the passkey computes (PRF) is a key: it goes into one hidden field of one form and nowhere else. `toJSON()` of a
// credential holds it too, so the answer is put together by hand, member by member.
"use strict";
(() => {
  if (!window.PublicKeyCredential || !navigator.credentials) return;

  const bytes = (text) =>
    Uint8Array.from(atob(text.replace(/-/g, "+").replace(/_/g, "/")), (letter) => letter.charCodeAt(0));
  const text = (buffer) =>
    buffer && btoa(String.fromCharCode(...new Uint8Array(buffer)))
      .replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  const named = (list) => (list || []).map((each) => ({ ...each, id: bytes(each.id) }));
  const salted = (extensions) => ({ prf: { eval: { first: bytes(extensions.prf.eval.first) } } });
  const secretOf = (credential) => {
    const prf = credential.getClientExtensionResults().prf;
    return text(prf && prf.results && prf.results.first) || "";
  };

  const get = async (options) => {
    const credential = await navigator.credentials.get({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        allowCredentials: named(options.allowCredentials),
        extensions: salted(options.extensions),
      },
    });
    const { clientDataJSON, authenticatorData, signature, userHandle } = credential.response;
    const response = { clientDataJSON, authenticatorData, signature, userHandle };
    return { credential, response, secret: secretOf(credential) };
  };

  const create = async (options) => {
    const credential = await navigator.credentials.create({
      publicKey: {
        ...options,
        challenge: bytes(options.challenge),
        user: { ...options.user, id: bytes(options.user.id) },
        excludeCredentials: named(options.excludeCredentials),
        extensions: salted(options.extensions),
      },
    });
    const { clientDataJSON, attestationObject } = credential.response;
    const prf = credential.getClientExtensionResults().prf;
    let secret = secretOf(credential);
    if (!secret && prf && prf.enabled) {
      // Some devices give the secret only when they are asked, not when the passkey is made.
      const allowCredentials = [{ type: "public-key", id: credential.id }];
      const { challenge, extensions, timeout } = options;
      const asked = { challenge, extensions, timeout, rpId: options.rp.id, userVerification: "required" };
      secret = (await get({ ...asked, allowCredentials })).secret;
    }
    return { credential, response: { clientDataJSON, attestationObject }, secret };
  };

  const press = async (button) => {
    const form = button.form;
    const said = form.querySelector("[data-passkey-said]");
    const name = form.querySelector("[data-passkey-name]");
    if (name && !name.reportValidity()) return;
    said.hidden = true;
    button.disabled = true;
    try {
      const answer = await fetch(button.dataset.options, { headers: { Accept: "application/json" } });
      if (!answer.ok) return void form.submit(); // the page that answers says why
      const options = await answer.json();
      const { credential, response, secret } = await (button.dataset.passkey === "create" ? create : get)(options);
      const plain = Object.fromEntries(Object.entries(response).map(([key, value]) => [key, text(value)]));
      form.querySelector("[data-passkey-answer]").value = JSON.stringify({
        id: credential.id, rawId: text(credential.rawId), type: credential.type, response: plain, clientExtensionResults: {},
      });
      form.querySelector("[data-passkey-secret]").value = secret;
      form.submit();
    } catch {
      said.hidden = false; // cancelled, timed out, or already there: the browser tells no more, on purpose
    } finally {
      button.disabled = false;
    }
  };

  for (const button of document.querySelectorAll("[data-passkey]")) {
    button.form.hidden = false;
    button.hidden = false;
    for (const part of document.querySelectorAll("[data-passkey-without]")) part.hidden = true;
    button.addEventListener("click", () => press(button));
  }
})();
