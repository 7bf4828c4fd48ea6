"""The only way for anybody but the owner to see anything: terms, disclosures, OAuth, the access log, revocation."""
