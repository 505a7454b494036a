//! The certificates of a cluster: an authority of its own, kept in a directory, and what it signs.
//!
//! A certificate's common name is the user, its organization the group (`apiserver/pkg/authentication/request/x509`).
//! Invariants: the authority's key is readable by its owner alone; nothing here is printed with a key in it.

use std::fmt;
use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use orch_core::{Env, User};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use tokio_rustls::rustls::client::danger::HandshakeSignatureValid;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, UnixTime};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::server::danger::{ClientCertVerified, ClientCertVerifier};
use tokio_rustls::rustls::{
    self, DigitallySignedStruct, DistinguishedName, RootCertStore, ServerConfig, SignatureScheme,
};

/// Years that an authority is good for, as kubeadm's.
const AUTHORITY_YEARS: i64 = 10;
/// Years that what it signs is good for.
const YEARS: i64 = 1;

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsError {
    /// A file cannot be read or written.
    #[error("file {path} of the certificate authority")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A certificate or key is malformed or cannot be made.
    #[error("certificate of {of}: {why}")]
    Certificate {
        /// Whose.
        of: String,
        /// What is wrong.
        why: String,
    },
}

fn wrong(of: &str) -> impl Fn(&dyn fmt::Display) -> TlsError + '_ {
    move |why| TlsError::Certificate { of: of.to_owned(), why: why.to_string() }
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub struct Identity {
    certificate: String,
    key: String,
}

impl Identity {
    /// The certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// The private key as PEM. Whoever has it is who the certificate says.
    #[must_use]
    pub fn key_pem(&self) -> &str {
        &self.key
    }
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Identity(…)")
    }
}

/// A certificate authority.
///
/// ```
/// use orch_api::rest::Authority;
/// # orch_core::sim::run(1, |env| async move {
/// let directory = std::env::temp_dir().join(format!("orch-authority-{}", std::process::id()));
/// let authority = Authority::open(&directory, &env).unwrap();
/// let again = Authority::open(&directory, &env).unwrap();
/// assert_eq!(authority.certificate_pem(), again.certificate_pem(), "it is kept");
/// let admin = authority.client("admin", Some("system:masters")).unwrap();
/// assert!(admin.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
/// std::fs::remove_dir_all(&directory).unwrap();
/// # });
/// ```
pub struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
    env: Env,
}

impl Authority {
    /// The authority of a directory (`ca.crt`, `ca.key`); it is made when it is not there.
    ///
    /// # Errors
    /// [`TlsError`]; also when one of the files is there without the other.
    pub fn open(directory: &Path, env: &Env) -> Result<Self, TlsError> {
        let (certificate, key) = (directory.join("ca.crt"), directory.join("ca.key"));
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| TlsError::File { path, source }
        };
        fs::create_dir_all(directory).map_err(failed(directory))?;
        match (fs::read_to_string(&certificate), fs::read_to_string(&key)) {
            (Ok(certificate), Ok(key)) => Self::read(certificate, &key, env),
            (Err(error), _) | (_, Err(error)) if error.kind() != io::ErrorKind::NotFound => {
                Err(failed(&certificate)(error))
            }
            (Ok(_), Err(error)) => Err(failed(&key)(error)),
            // A key without a certificate is what a crash leaves between the two writes.
            _ => {
                let made = Self::new(env)?;
                write(&key, made.issuer.key().serialize_pem().as_bytes(), 0o600).map_err(failed(&key))?;
                write(&certificate, made.certificate.as_bytes(), 0o644).map_err(failed(&certificate))?;
                Ok(made)
            }
        }
    }

    fn read(certificate: String, key: &str, env: &Env) -> Result<Self, TlsError> {
        let key = KeyPair::from_pem(key).map_err(|error| wrong("the authority")(&error))?;
        let issuer =
            Issuer::from_ca_cert_pem(&certificate, key).map_err(|error| wrong("the authority")(&error))?;
        Ok(Self { certificate, issuer, env: env.clone() })
    }

    /// An authority in memory.
    ///
    /// # Errors
    /// [`TlsError::Certificate`].
    pub fn new(env: &Env) -> Result<Self, TlsError> {
        let failed = |error: rcgen::Error| wrong("the authority")(&error);
        let key = KeyPair::generate().map_err(failed)?;
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, "orch-ca");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages =
            vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        validity(&mut params, env.now(), AUTHORITY_YEARS);
        let certificate = params.self_signed(&key).map_err(failed)?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key), env: env.clone() })
    }

    /// Its certificate as PEM: what clients trust.
    #[must_use]
    pub fn certificate_pem(&self) -> &str {
        &self.certificate
    }

    /// A client that is that user, in that group.
    ///
    /// # Errors
    /// [`TlsError::Certificate`].
    pub fn client(&self, user: &str, group: Option<&str>) -> Result<Identity, TlsError> {
        let mut params = CertificateParams::default();
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, user);
        if let Some(group) = group {
            params.distinguished_name.push(DnType::OrganizationName, group);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params, user)
    }

    /// A server under those names and addresses.
    ///
    /// # Errors
    /// [`TlsError::Certificate`] when one is neither a name nor an address.
    pub fn server(&self, names: &[String]) -> Result<Identity, TlsError> {
        let mut params =
            CertificateParams::new(names.to_vec()).map_err(|error| wrong("the server")(&error))?;
        params.distinguished_name.remove(DnType::CommonName);
        params.distinguished_name.push(DnType::CommonName, "kube-apiserver");
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params, "the server")
    }

    fn sign(&self, mut params: CertificateParams, of: &str) -> Result<Identity, TlsError> {
        let failed = |error: rcgen::Error| wrong(of)(&error);
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature, KeyUsagePurpose::KeyEncipherment];
        params.use_authority_key_identifier_extension = true;
        validity(&mut params, self.env.now(), YEARS);
        let key = KeyPair::generate().map_err(failed)?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(failed)?.pem();
        Ok(Identity { certificate, key: key.serialize_pem() })
    }

    /// What a server needs for TLS, and what tells its clients apart.
    pub(super) fn config(&self, server: &Identity) -> Result<(Arc<ServerConfig>, Clients), TlsError> {
        let failed = |error: &dyn fmt::Display| wrong("the server")(error);
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        let root =
            CertificateDer::from_pem_slice(self.certificate.as_bytes()).map_err(|error| failed(&error))?;
        roots.add(root).map_err(|error| failed(&error))?;
        let trusted = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
            .allow_unauthenticated()
            .build()
            .map_err(|error| failed(&error))?;
        let chain = vec![
            CertificateDer::from_pem_slice(server.certificate.as_bytes()).map_err(|error| failed(&error))?,
        ];
        let key = PrivateKeyDer::from_pem_slice(server.key.as_bytes()).map_err(|error| failed(&error))?;
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| failed(&error))?
            .with_client_cert_verifier(Arc::new(TakeAny(Arc::clone(&trusted))))
            .with_single_cert(chain, key)
            .map_err(|error| failed(&error))?;
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Ok((Arc::new(config), Clients(trusted)))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Authority(…)")
    }
}

/// Good from the day before, since clocks differ.
fn validity(params: &mut CertificateParams, now: Timestamp, years: i64) {
    let today = TimeZone::UTC.to_datetime(now).date();
    let day = |date: Date| {
        let number = |number: i8| u8::try_from(number).unwrap_or(1);
        rcgen::date_time_ymd(i32::from(date.year()), number(date.month()), number(date.day()))
    };
    params.not_before = day(today.saturating_sub(Span::new().days(1)));
    params.not_after = day(today.saturating_add(Span::new().years(years)));
}

/// Writes a file that has that mode from its first moment. It is there whole or not at all, whatever breaks off.
fn write(path: &Path, bytes: &[u8], mode: u32) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let unfinished = path.with_file_name(name);
    match fs::remove_file(&unfinished) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, mode);
    #[cfg(not(unix))]
    let _ = mode;
    let mut file = options.open(&unfinished)?;
    #[cfg(unix)]
    file.set_permissions(<fs::Permissions as std::os::unix::fs::PermissionsExt>::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&unfinished, path)?;
    // The name is kept by the directory.
    #[cfg(unix)]
    fs::File::open(path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")))?
        .sync_all()?;
    Ok(())
}

/// Writes a file that its owner alone can read.
pub(super) fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write(path, bytes, 0o600)
}

/// Who a connection's client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Client {
    /// No certificate.
    Anonymous,
    /// A certificate of the authority, and until when it is good.
    Known { user: User, until: Timestamp },
    /// A certificate that the authority did not sign, or that is not good now.
    Untrusted,
}

/// Tells clients apart.
#[derive(Clone)]
pub(super) struct Clients(Arc<dyn ClientCertVerifier>);

impl Clients {
    pub(super) fn who(&self, chain: Option<&[CertificateDer<'_>]>, now: Timestamp) -> Client {
        let Some([leaf, others @ ..]) = chain else { return Client::Anonymous };
        let secs = u64::try_from(now.as_second()).unwrap_or(0);
        let now = UnixTime::since_unix_epoch(Duration::from_secs(secs));
        if self.0.verify_client_cert(leaf, others, now).is_err() {
            return Client::Untrusted;
        }
        let ends = chain.iter().flat_map(|chain| chain.iter()).map(end).collect::<Option<Vec<_>>>();
        let until = ends.and_then(|ends| ends.into_iter().min());
        match (user(leaf), until) {
            (Some(user), Some(until)) => Client::Known { user, until },
            _ => Client::Untrusted,
        }
    }
}

/// Until when a certificate is good.
fn end(certificate: &CertificateDer<'_>) -> Option<Timestamp> {
    let (_, certificate) = x509_parser::parse_x509_certificate(certificate).ok()?;
    Timestamp::from_second(certificate.validity().not_after.timestamp()).ok()
}

fn user(leaf: &CertificateDer<'_>) -> Option<User> {
    let (_, certificate) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let subject = certificate.subject();
    let name = subject.iter_common_name().next()?.as_str().ok().filter(|name| !name.is_empty())?;
    let mut user = User::new(name);
    user.groups = subject.iter_organization().filter_map(|group| Some(group.as_str().ok()?.into())).collect();
    Some(user)
}

/// Takes any certificate in the handshake: whether it is good is found out after, so that the client gets an answer and
/// not a broken connection, as from Kubernetes' API server.
#[derive(Debug)]
struct TakeAny(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for TakeAny {
    fn client_auth_mandatory(&self) -> bool {
        false
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, rustls::Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn der(identity: &Identity) -> CertificateDer<'static> {
        CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()
    }

    #[test]
    fn clients_are_told_apart() {
        orch_core::sim::run(1, |env| async move {
            let (authority, other) = (Authority::new(&env).unwrap(), Authority::new(&env).unwrap());
            let server = authority.server(&["127.0.0.1".into(), "localhost".into()]).unwrap();
            let (_, clients) = authority.config(&server).unwrap();
            let who = |identity: &Identity, now| clients.who(Some(&[der(identity)]), now);
            let admin = authority.client("admin", Some("system:masters")).unwrap();
            let mut expected = User::new("admin");
            expected.groups = vec!["system:masters".into()];
            let Client::Known { user, until } = who(&admin, env.now()) else { panic!("it is known") };
            assert_eq!(user, expected);
            assert_eq!(who(&admin, until + jiff::SignedDuration::from_secs(1)), Client::Untrusted);
            assert!(matches!(who(&admin, until), Client::Known { .. }), "to the end");
            assert_eq!(clients.who(None, env.now()), Client::Anonymous);
            let stranger = other.client("admin", Some("system:masters")).unwrap();
            assert_eq!(who(&stranger, env.now()), Client::Untrusted);
            assert_eq!(who(&server, env.now()), Client::Untrusted, "a server is no client");
            let later = env.now() + jiff::SignedDuration::from_hours(24 * 400);
            assert_eq!(who(&admin, later), Client::Untrusted, "it has expired");
        });
    }

    #[cfg(unix)]
    #[test]
    fn the_key_is_its_owners_alone() {
        use std::os::unix::fs::PermissionsExt;
        orch_core::sim::run(1, |env| async move {
            let directory = std::env::temp_dir().join(format!("orch-tls-{}", std::process::id()));
            Authority::open(&directory, &env).unwrap();
            let mode = fs::metadata(directory.join("ca.key")).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
            fs::write(directory.join("ca.key"), "no key").unwrap();
            assert!(matches!(Authority::open(&directory, &env), Err(TlsError::Certificate { .. })));
            fs::remove_file(directory.join("ca.key")).unwrap();
            assert!(matches!(Authority::open(&directory, &env), Err(TlsError::File { .. })));
            // What a crash leaves of a file that was being written.
            fs::remove_file(directory.join("ca.crt")).unwrap();
            fs::write(directory.join("ca.key.new"), "-----BEGIN").unwrap();
            Authority::open(&directory, &env).unwrap();
            assert!(!directory.join("ca.key.new").exists());
            fs::remove_dir_all(&directory).unwrap();
        });
    }
}
