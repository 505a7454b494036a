//! What a kubeconfig says of one cluster: where it is, whom to trust, and who one is
//! (`client-go/tools/clientcmd/api/v1/types.go`).
//!
//! Of the ways to say who one is, certificates, tokens and files of them are read; programs that are to be run for it are not.
//! Invariant: nothing here is printed with a key or a token in it.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::tree::Get;

/// Why a kubeconfig cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum KubeconfigError {
    /// A file cannot be read.
    #[error("file {path}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It does not say what is needed.
    #[error("kubeconfig: {field}: {why}")]
    Field {
        /// Which field.
        field: String,
        /// What is wrong, and what would be right.
        why: String,
    },
}

fn wrong(field: impl Into<String>, why: impl Into<String>) -> KubeconfigError {
    KubeconfigError::Field { field: field.into(), why: why.into() }
}

/// How to reach a server, and as whom.
///
/// ```
/// use orch_api::remote::Kubeconfig;
/// let text = "
/// current-context: it
/// contexts: [{name: it, context: {cluster: there, user: me}}]
/// clusters: [{name: there, cluster: {server: 'https://10.0.0.1:6443'}}]
/// users: [{name: me, user: {token: secret}}]
/// ";
/// let config = Kubeconfig::parse(text, None).unwrap();
/// assert_eq!(config.server, "https://10.0.0.1:6443");
/// assert!(!format!("{config:?}").contains("secret"));
/// ```
#[derive(Clone, Default)]
#[non_exhaustive]
pub struct Kubeconfig {
    /// `https://host:port/prefix`
    pub server: String,
    /// Certificates to trust, as PEM; without, no server is trusted.
    pub authority: Option<String>,
    /// The name in the server's certificate, where it is not that of the address.
    pub server_name: Option<String>,
    /// The client's certificate and key, as PEM.
    pub identity: Option<(String, String)>,
    /// A bearer token.
    pub token: Option<String>,
    /// The namespace of the context.
    pub namespace: Option<String>,
}

impl Kubeconfig {
    /// Reads the current context of a file.
    ///
    /// # Errors
    /// [`KubeconfigError`].
    pub fn read(path: &Path) -> Result<Self, KubeconfigError> {
        Self::parse(&text_of(path)?, path.parent())
    }

    /// Reads the current context of a text; files that it names stand in `directory`, or in the working directory.
    ///
    /// # Errors
    /// [`KubeconfigError`].
    pub fn parse(text: &str, directory: Option<&Path>) -> Result<Self, KubeconfigError> {
        let unread = |errors: Vec<crate::manifest::Error>| {
            let all: Vec<String> = errors.iter().map(ToString::to_string).collect();
            wrong("the text", all.join("; "))
        };
        let (tree, _) = crate::manifest::document(text.as_bytes()).map_err(unread)?;
        let context = named(&tree, "contexts", "context", tree.text("current-context"))?;
        let cluster = named(&tree, "clusters", "cluster", context.text("cluster"))?;
        let user = match context.text("user") {
            "" => &Value::Null,
            name => named(&tree, "users", "user", name)?,
        };
        if cluster.at("insecure-skip-tls-verify").and_then(Value::as_bool) == Some(true) {
            let why = "is not supported: give the certificate authority of the server";
            return Err(wrong("clusters.cluster.insecure-skip-tls-verify", why));
        }
        for field in ["exec", "auth-provider", "username"] {
            if user.at(field).is_some() {
                let why = "is not supported: use a client certificate or a token";
                return Err(wrong(format!("users.user.{field}"), why));
            }
        }
        let given =
            |tree: &Value, field: &str| Some(tree.text(field).to_owned()).filter(|text| !text.is_empty());
        let certificate = data(user, "client-certificate", directory)?;
        let key = data(user, "client-key", directory)?;
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => Some((certificate, key)),
            (None, None) => None,
            _ => {
                return Err(wrong("users.user", "must have both client-certificate and client-key, or none"));
            }
        };
        let token = match (given(user, "token"), given(user, "tokenFile")) {
            (None, Some(file)) => Some(text_of(&beside(directory, &file))?.trim().to_owned()),
            (token, _) => token,
        };
        Ok(Self {
            server: given(cluster, "server")
                .ok_or_else(|| wrong("clusters.cluster.server", "must be the URL of the server"))?,
            authority: data(cluster, "certificate-authority", directory)?,
            server_name: given(cluster, "tls-server-name"),
            identity,
            token,
            namespace: given(context, "namespace"),
        })
    }
}

impl fmt::Debug for Kubeconfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kubeconfig").field("server", &self.server).finish_non_exhaustive()
    }
}

/// The entry of that name.
fn named<'a>(tree: &'a Value, list: &str, field: &str, name: &str) -> Result<&'a Value, KubeconfigError> {
    let entry = tree.list(list).iter().find(|entry| entry.text("name") == name);
    let found = entry.and_then(|entry| entry.at(field));
    found.ok_or_else(|| wrong(list, format!("there is no {field} {name:?}")))
}

fn text_of(path: &Path) -> Result<String, KubeconfigError> {
    std::fs::read_to_string(path).map_err(|source| KubeconfigError::File { path: path.to_owned(), source })
}

fn beside(directory: Option<&Path>, file: &str) -> PathBuf {
    directory.map_or_else(|| PathBuf::from(file), |directory| directory.join(file))
}

/// PEM that stands in the file itself, in base64, or in another file; the former wins.
fn data(tree: &Value, field: &str, directory: Option<&Path>) -> Result<Option<String>, KubeconfigError> {
    let inline = format!("{field}-data");
    match (tree.text(&inline), tree.text(field)) {
        ("", "") => Ok(None),
        ("", file) => text_of(&beside(directory, file)).map(Some),
        (text, _) => {
            let bytes = STANDARD.decode(text).ok();
            let text = bytes.and_then(|bytes| String::from_utf8(bytes).ok());
            text.map(Some).ok_or_else(|| wrong(inline, "must be PEM in base64"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn refused(user: &str, cluster: &str, field: &str) {
        let text = format!(
            "current-context: c\ncontexts: [{{name: c, context: {{cluster: k, user: u}}}}]\n\
             clusters: [{{name: k, cluster: {cluster}}}]\nusers: [{{name: u, user: {user}}}]\n"
        );
        let error = Kubeconfig::parse(&text, None).unwrap_err().to_string();
        assert!(error.contains(field), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_told_with_its_field() {
        let server = "{server: 'https://a'}";
        refused("{}", "{}", "clusters.cluster.server");
        refused("{}", "{server: 'https://a', insecure-skip-tls-verify: true}", "insecure-skip-tls-verify");
        refused("{exec: {command: x}}", server, "users.user.exec");
        refused("{client-key-data: aGFsbG8=}", server, "client-certificate");
        refused("{client-key-data: '%', client-certificate-data: aGFsbG8=}", server, "client-key-data");
        refused("{tokenFile: /nonexistent/token}", server, "/nonexistent/token");
        assert!(Kubeconfig::parse("{", None).is_err());
        assert!(Kubeconfig::parse("current-context: c", None).unwrap_err().to_string().contains("contexts"));
    }

    #[test]
    fn files_stand_beside_it() {
        let directory = std::env::temp_dir().join(format!("orch-kubeconfig-read-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        std::fs::write(directory.join("ca.crt"), "CA").unwrap();
        std::fs::write(directory.join("token"), "T\n").unwrap();
        let text = "current-context: c\ncontexts: [{name: c, context: {cluster: k, user: u, namespace: shop}}]\n\
            clusters: [{name: k, cluster: {server: 'https://a', certificate-authority: ca.crt}}]\n\
            users: [{name: u, user: {tokenFile: token}}]\n";
        let path = directory.join("config");
        std::fs::write(&path, text).unwrap();
        let config = Kubeconfig::read(&path).unwrap();
        std::fs::remove_dir_all(&directory).unwrap();
        assert_eq!((config.authority.as_deref(), config.token.as_deref()), (Some("CA"), Some("T")));
        assert_eq!(config.namespace.as_deref(), Some("shop"));
    }
}
