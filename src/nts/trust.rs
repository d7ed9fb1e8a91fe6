//! Certificates of authorities, and of servers that are trusted by themselves.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;

/// Where systems keep the certificates of the authorities they trust, most common first. The first that is there counts.
pub const SYSTEM_BUNDLES: [&str; 7] = [
    // Debian, Ubuntu, Arch, Alpine, Gentoo, Buildroot
    "/etc/ssl/certs/ca-certificates.crt",
    // Fedora, Red Hat
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/pki/tls/certs/ca-bundle.crt",
    // OpenSUSE
    "/var/lib/ca-certificates/ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    // Alpine
    "/etc/ssl/cert.pem",
    // Buildroot without a bundle: a directory
    "/etc/ssl/certs",
];

/// The authorities that are trusted.
#[derive(Debug)]
pub struct Trust {
    pub(super) roots: RootCertStore,
    /// Certificates that were named one by one: a server may show one of them as its own.
    pub(super) named: Vec<CertificateDer<'static>>,
}

impl Trust {
    /// Nobody.
    pub fn nobody() -> Trust {
        Trust { roots: RootCertStore::empty(), named: Vec::new() }
    }

    /// Adds the certificates in a PEM file; returns how many there were. `named`: the configuration names the file.
    pub fn add_pem(&mut self, pem: &[u8], named: bool) -> usize {
        let mut count = 0;
        for certificate in CertificateDer::pem_slice_iter(pem).flatten() {
            if self.roots.add(certificate.clone()).is_ok() {
                count += 1;
                if named {
                    self.named.push(certificate);
                }
            }
        }
        count
    }

    /// Nobody is trusted.
    pub fn is_empty(&self) -> bool {
        self.roots.is_empty()
    }
}
