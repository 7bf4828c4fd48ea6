"""The authorization server: Authlib is the engine, and this package its only importer.

One profile, shaped like the FAPI 2.0 Security Profile: pushed requests, PKCE S256, `authorization_details`, DPoP,
`private_key_jwt`, `iss`. There is no other mode and no switch.
"""
