//! TLS for whoever makes an HTTP client here: the cryptography, and whom to trust.

/// Names the cryptography of this process, where nobody has yet: reqwest brings none of its own, so that the large one
/// in C which it prefers is not built.
pub(crate) fn provide() {
    // The first one stays; every one is `ring`'s here.
    let _ = rustls::crypto::ring::default_provider().install_default();
}

/// Mozilla's authorities, beside those of the machine: a slim container has none of its own.
pub(crate) fn roots() -> impl Iterator<Item = &'static [u8]> {
    webpki_root_certs::TLS_SERVER_ROOT_CERTS.iter().map(AsRef::as_ref)
}
