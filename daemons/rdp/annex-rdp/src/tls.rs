// SPDX-License-Identifier: GPL-2.0-or-later
//! The server's certificate: one that was given, or one made for this run.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest, Sha256};
use thiserror::Error;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio_rustls::rustls::{self, ServerConfig};
use tokio_rustls::TlsAcceptor;
use x509_cert::der::Decode;

/// Why there is no TLS.
#[derive(Debug, Error)]
pub enum TlsError {
    /// The certificate can't be read.
    #[error("the certificate {0}: {1}")]
    Certificate(PathBuf, pem::Error),
    /// The key can't be read.
    #[error("the private key {0}: {1}")]
    Key(PathBuf, pem::Error),
    /// The file has no certificate in it.
    #[error("the certificate {0}: there is none in it")]
    None(PathBuf),
    /// Certificate or key aren't any, or don't belong together.
    #[error("the certificate and its key: {0}")]
    Pair(#[from] rustls::Error),
    /// The certificate isn't one.
    #[error("the certificate: {0}")]
    Parse(#[from] x509_cert::der::Error),
    /// None could be made.
    #[error("make a certificate: {0}")]
    Make(#[from] rcgen::Error),
}

/// The server's side of TLS.
#[derive(Clone)]
pub struct Tls {
    /// What accepts connections.
    pub acceptor: TlsAcceptor,
    /// The certificate's public key, to which NLA is bound (MS-CSSP 3.1.5, pubKeyAuth).
    pub public_key: Vec<u8>,
    /// The certificate's SHA-256, as clients print it.
    pub fingerprint: String,
}

impl Tls {
    /// With a certificate chain and its key, PEM files.
    pub fn load(certificate: &Path, key: &Path) -> Result<Self, TlsError> {
        let chain: Vec<_> = CertificateDer::pem_file_iter(certificate)
            .and_then(Iterator::collect)
            .map_err(|error| TlsError::Certificate(certificate.into(), error))?;
        if chain.is_empty() {
            return Err(TlsError::None(certificate.into()));
        }
        let key =
            PrivateKeyDer::from_pem_file(key).map_err(|error| TlsError::Key(key.into(), error))?;
        Self::new(chain, key)
    }

    /// With a certificate that nobody has signed, made now.
    pub fn generate() -> Result<Self, TlsError> {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()])?;
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        Self::new(vec![made.cert.der().clone()], key.into())
    }

    fn new(
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> Result<Self, TlsError> {
        let first = &chain[0];
        let public_key = x509_cert::Certificate::from_der(first)?
            .tbs_certificate
            .subject_public_key_info
            .subject_public_key
            .raw_bytes()
            .to_vec();
        let hexadecimal: Vec<_> = Sha256::digest(first)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        let config = ServerConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_no_client_auth()
            .with_single_cert(chain, key)?;
        Ok(Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            public_key,
            fingerprint: hexadecimal.join(":"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_made_and_each_is_another() {
        let (one, other) = (Tls::generate().unwrap(), Tls::generate().unwrap());
        assert_eq!(one.fingerprint.len(), 32 * 3 - 1);
        assert_ne!(one.fingerprint, other.fingerprint);
        assert_ne!(one.public_key, other.public_key);
    }

    #[test]
    fn given_ones_are_read_and_faults_name_the_file() {
        let dir = tempfile::tempdir().unwrap();
        let [certificate, key, empty] =
            ["certificate", "key", "empty"].map(|name| dir.path().join(name));
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        std::fs::write(&empty, "").unwrap();
        let tls = Tls::load(&certificate, &key).unwrap();
        assert!(tls.public_key.len() > 32);

        let words =
            |certificate: &Path, key: &Path| Tls::load(certificate, key).err().unwrap().to_string();
        assert!(words(&empty, &key).contains("empty"));
        assert!(words(&dir.path().join("absent"), &key).contains("absent"));
        assert!(words(&certificate, &empty).contains("empty"));
        let other = rcgen::KeyPair::generate().unwrap();
        std::fs::write(&key, other.serialize_pem()).unwrap();
        assert!(words(&certificate, &key).contains("the certificate and its key"));
    }
}
