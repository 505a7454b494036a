//! The forms of names: DNS labels and subdomains, label keys and values, keys of config maps, names of ports.
//!
//! The rules and the messages are those of `staging/src/k8s.io/apimachinery/pkg/util/validation/validation.go`
//! and `pkg/api/validate/content`; where upstream says "characters" in one and "bytes" in the other, so does
//! this. It is *not* the validation of objects: it knows no field paths and no kinds. Invariant: lengths are in
//! bytes, every fault of a name is reported, and an accepted name is ASCII (except path segments).
//!
//! # Examples
//!
//! ```
//! use orch_core::names;
//!
//! assert!(names::dns1123_label("web-0").is_ok());
//! assert_eq!(names::dns1123_label("web.0").unwrap_err(), ["must not contain dots"]);
//! assert_eq!(names::label_value(&"x".repeat(64)).unwrap_err(), ["must be no more than 63 bytes"]);
//! ```

#[cfg(test)]
mod tests;

/// Nothing, or each rule that the name breaks, in the API server's words.
pub type Validity = Result<(), Vec<String>>;

/// Longest DNS label, label value and name part of a label key, in bytes.
pub const LABEL_MAX: usize = 63;

/// Longest DNS subdomain and key of a config map, in bytes.
pub const SUBDOMAIN_MAX: usize = 253;

/// Longest name of a port, in bytes (RFC 6335).
pub const PORT_NAME_MAX: usize = 15;

const DNS1123_LABEL: Form = Form {
    rule: "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
           and end with an alphanumeric character",
    examples: &["my-name", "123-abc"],
    regex: "[a-z0-9]([-a-z0-9]*[a-z0-9])?",
};

const DNS1123_SUBDOMAIN: Form = Form {
    rule: "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
           must start and end with an alphanumeric character",
    examples: &["example.com"],
    regex: r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
};

const WILDCARD_SUBDOMAIN: Form = Form {
    rule: "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must \
           consist of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character",
    examples: &["*.example.com"],
    regex: r"\*\.[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*",
};

const DNS1035_LABEL: Form = Form {
    rule: "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
           character, and end with an alphanumeric character",
    examples: &["my-name", "abc-123"],
    regex: "[a-z]([-a-z0-9]*[a-z0-9])?",
};

const LABEL_KEY: Form = Form {
    rule: "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
           character",
    examples: &["MyName", "my.name", "123-abc"],
    regex: "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]",
};

const LABEL_VALUE: Form = Form {
    rule: "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
           must start and end with an alphanumeric character",
    examples: &["MyValue", "my_value", "12345"],
    regex: "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?",
};

const ENV_VAR_NAME: Form = Form {
    rule: "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', \
           and must not start with a digit",
    examples: &["my.env-name", "MY_ENV.NAME", "MyEnvName1"],
    regex: "[-._a-zA-Z][-._a-zA-Z0-9]*",
};

const CONFIG_MAP_KEY: Form = Form {
    rule: "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
    examples: &["key.name", "KEY_NAME", "key-name"],
    regex: "[-._a-zA-Z0-9]+",
};

const C_IDENTIFIER: Form = Form {
    rule: "a valid C identifier must start with alphabetic character or '_', followed by a string of \
           alphanumeric characters or '_'",
    examples: &["my_name", "MY_NAME", "MyName"],
    regex: "[A-Za-z_][A-Za-z0-9_]*",
};

const HTTP_HEADER_NAME: Form = Form {
    rule: "a valid HTTP header must consist of alphanumeric characters or '-'",
    examples: &["X-Header-Name"],
    regex: "[-A-Za-z0-9]+",
};

const PERCENT: Form = Form {
    rule: "a valid percent string must be a numeric string followed by an ending '%'",
    examples: &["1%", "93%"],
    regex: "[0-9]+%",
};

/// How a form is explained to who missed it.
struct Form {
    rule: &'static str,
    examples: &'static [&'static str],
    regex: &'static str,
}

impl Form {
    fn explained(&self) -> String {
        let examples: Vec<String> = self.examples.iter().map(|example| format!("'{example}', ")).collect();
        let (rule, regex) = (self.rule, self.regex);
        format!("{rule} (e.g. {}regex used for validation is '{regex}')", examples.join(" or "))
    }
}

/// A label of DNS as in RFC 1123: the name of a namespace, of a service, of a container.
///
/// # Errors
///
/// Every rule that it breaks.
pub fn dns1123_label(name: &str) -> Validity {
    let mut faults = Faults::default();
    faults.unless(name.len() <= LABEL_MAX, || too_long(LABEL_MAX));
    if !is_dns1123_label(name) {
        faults.unless(!is_dns1123_subdomain(name), || "must not contain dots".into());
        faults.unless(is_dns1123_subdomain(name), || DNS1123_LABEL.explained());
    }
    faults.into()
}

/// Labels of DNS with dots between them as in RFC 1123: the name of most objects.
///
/// # Errors
///
/// Every rule that it breaks.
///
/// # Examples
///
/// ```
/// let faults = orch_core::names::dns1123_subdomain("Web").unwrap_err();
/// assert!(faults[0].starts_with("a lowercase RFC 1123 subdomain must consist of"));
/// ```
pub fn dns1123_subdomain(name: &str) -> Validity {
    let mut faults = Faults::default();
    faults.unless(name.len() <= SUBDOMAIN_MAX, || too_long(SUBDOMAIN_MAX));
    faults.unless(is_dns1123_subdomain(name), || DNS1123_SUBDOMAIN.explained());
    faults.into()
}

/// `*.` and a DNS subdomain: the host of an ingress rule.
///
/// # Errors
///
/// Every rule that it breaks.
pub fn wildcard_dns1123_subdomain(name: &str) -> Validity {
    let mut faults = Faults::default();
    faults.unless(name.len() <= SUBDOMAIN_MAX, || too_long(SUBDOMAIN_MAX));
    let valid = name.strip_prefix("*.").is_some_and(is_dns1123_subdomain);
    faults.unless(valid, || WILDCARD_SUBDOMAIN.explained());
    faults.into()
}

/// A label of DNS as in RFC 1035, which starts with a letter.
///
/// # Errors
///
/// Every rule that it breaks.
pub fn dns1035_label(name: &str) -> Validity {
    let mut faults = Faults::default();
    faults.unless(name.len() <= LABEL_MAX, || too_long(LABEL_MAX));
    let valid = is_dns1123_label(name) && !name.starts_with(|first: char| first.is_ascii_digit());
    faults.unless(valid, || DNS1035_LABEL.explained());
    faults.into()
}

/// A name with an optional DNS subdomain and `/` before it: a label key, an annotation key, a finalizer.
///
/// # Errors
///
/// Every rule that it breaks.
///
/// # Examples
///
/// ```
/// use orch_core::names::qualified_name;
///
/// assert!(qualified_name("app.kubernetes.io/name").is_ok());
/// assert_eq!(qualified_name("/name").unwrap_err(), ["prefix part must be non-empty"]);
/// ```
pub fn qualified_name(name: &str) -> Validity {
    let mut faults = Faults::default();
    let (prefix, name) = match name.split_once('/') {
        Some((_, rest)) if rest.contains('/') => {
            return Err(vec![format!(
                "a valid label key {} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')",
                LABEL_KEY.explained()
            )]);
        }
        Some((prefix, name)) => (Some(prefix), name),
        None => (None, name),
    };
    if let Some(prefix) = prefix {
        faults.unless(!prefix.is_empty(), || "prefix part must be non-empty".into());
        faults.unless(prefix.len() <= SUBDOMAIN_MAX, || {
            format!("prefix part {}", too_many_bytes(SUBDOMAIN_MAX))
        });
        let valid = prefix.is_empty() || is_dns1123_subdomain(prefix);
        faults.unless(valid, || format!("prefix part {}", DNS1123_SUBDOMAIN.explained()));
    }
    faults.unless(!name.is_empty(), || "name part must be non-empty".into());
    faults.unless(name.len() <= LABEL_MAX, || format!("name part {}", too_many_bytes(LABEL_MAX)));
    faults.unless(is_label_name(name), || format!("name part {}", LABEL_KEY.explained()));
    faults.into()
}

/// The value of a label; it may be empty.
///
/// # Errors
///
/// Every rule that it breaks.
pub fn label_value(value: &str) -> Validity {
    let mut faults = Faults::default();
    faults.unless(value.len() <= LABEL_MAX, || too_many_bytes(LABEL_MAX));
    faults.unless(value.is_empty() || is_label_name(value), || LABEL_VALUE.explained());
    faults.into()
}

/// The name of a port: `IANA_SVC_NAME` of RFC 6335, in lower case.
///
/// # Errors
///
/// Every rule that it breaks.
///
/// # Examples
///
/// ```
/// use orch_core::names::port_name;
///
/// assert!(port_name("https-8443").is_ok());
/// assert_eq!(port_name("8443").unwrap_err(), ["must contain at least one letter (a-z)"]);
/// ```
pub fn port_name(name: &str) -> Validity {
    let mut faults = Faults::default();
    faults.unless(name.len() <= PORT_NAME_MAX, || too_long(PORT_NAME_MAX));
    faults.unless(!name.is_empty() && name.bytes().all(is_dns_inner), || {
        "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)".into()
    });
    let has_letter = name.bytes().any(|byte| byte.is_ascii_lowercase());
    faults.unless(has_letter, || "must contain at least one letter (a-z)".into());
    faults.unless(!name.contains("--"), || "must not contain consecutive hyphens".into());
    let hyphen_at_end = name.starts_with('-') || name.ends_with('-');
    faults.unless(!hyphen_at_end, || "must not begin or end with a hyphen".into());
    faults.into()
}

/// The number of a port: 1 to 65535.
///
/// # Errors
///
/// If it is out of range.
pub fn port_number(port: i64) -> Validity {
    let mut faults = Faults::default();
    faults.unless((1..=65535).contains(&port), || "must be between 1 and 65535, inclusive".into());
    faults.into()
}

/// The name of an environment variable, by the strict rule: what a key of a config map has to satisfy to become
/// one where the relaxed rule is off.
///
/// # Errors
///
/// Every rule that it breaks.
pub fn env_var_name(name: &str) -> Validity {
    let mut faults = Faults::default();
    let valid = is_config_key(name) && !name.starts_with(|first: char| first.is_ascii_digit());
    faults.unless(valid, || ENV_VAR_NAME.explained());
    faults.dots(name);
    faults.into()
}

/// The name of an environment variable, by the rule of KEP-4369, in force since 1.34: printable ASCII without `=`.
///
/// # Errors
///
/// Every rule that it breaks.
pub fn relaxed_env_var_name(name: &str) -> Validity {
    let mut faults = Faults::default();
    faults.unless(!name.is_empty(), || "environment variable name must be non-empty".into());
    let valid = name.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'=');
    faults.unless(valid, || {
        "a valid environment variable name must consist only of printable ASCII characters other than '='"
            .into()
    });
    faults.into()
}

/// A key of a config map or a secret.
///
/// # Errors
///
/// Every rule that it breaks.
///
/// # Examples
///
/// ```
/// use orch_core::names::config_map_key;
///
/// assert!(config_map_key(".dockerconfigjson").is_ok());
/// assert_eq!(config_map_key("..data").unwrap_err(), ["must not start with '..'"]);
/// ```
pub fn config_map_key(key: &str) -> Validity {
    let mut faults = Faults::default();
    faults.unless(key.len() <= SUBDOMAIN_MAX, || too_long(SUBDOMAIN_MAX));
    faults.unless(is_config_key(key), || CONFIG_MAP_KEY.explained());
    faults.dots(key);
    faults.into()
}

/// What may stand as one segment of a URL's path: the name of a role, of a custom resource, of an event.
/// Upstream checks neither emptiness nor length here.
///
/// # Errors
///
/// Every rule that it breaks.
pub fn path_segment_name(name: &str) -> Validity {
    let mut faults = Faults::default();
    if name == "." || name == ".." {
        return Err(vec![format!("may not be '{name}'")]);
    }
    faults.unless(!name.contains('/'), || "may not contain '/'".into());
    faults.unless(!name.contains('%'), || "may not contain '%'".into());
    faults.into()
}

/// An identifier of the C language.
///
/// # Errors
///
/// If it is none.
pub fn c_identifier(name: &str) -> Validity {
    let mut faults = Faults::default();
    let valid = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
        && name.starts_with(|first: char| !first.is_ascii_digit());
    faults.unless(valid, || C_IDENTIFIER.explained());
    faults.into()
}

/// The name of an HTTP header.
///
/// # Errors
///
/// If it is none.
pub fn http_header_name(name: &str) -> Validity {
    let mut faults = Faults::default();
    let valid = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    faults.unless(valid, || HTTP_HEADER_NAME.explained());
    faults.into()
}

/// A number of percent, such as `25%`.
///
/// # Errors
///
/// If it is none.
pub fn percent(text: &str) -> Validity {
    let mut faults = Faults::default();
    let digits = text.strip_suffix('%').unwrap_or("");
    let valid = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    faults.unless(valid, || PERCENT.explained());
    faults.into()
}

/// The faults found so far.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn unless(&mut self, holds: bool, fault: impl FnOnce() -> String) {
        if !holds {
            self.0.push(fault());
        }
    }

    /// A key becomes the name of a file: it must not lead out of the directory.
    fn dots(&mut self, name: &str) {
        match name {
            "." | ".." => self.0.push(format!("must not be '{name}'")),
            _ => self.unless(!name.starts_with(".."), || "must not start with '..'".into()),
        }
    }
}

impl From<Faults> for Validity {
    fn from(faults: Faults) -> Self {
        if faults.0.is_empty() { Ok(()) } else { Err(faults.0) }
    }
}

fn too_long(max: usize) -> String {
    format!("must be no more than {max} characters")
}

fn too_many_bytes(max: usize) -> String {
    format!("must be no more than {max} bytes")
}

fn is_dns_inner(byte: u8) -> bool {
    byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-'
}

fn is_dns1123_label(name: &str) -> bool {
    !name.is_empty() && !name.starts_with('-') && !name.ends_with('-') && name.bytes().all(is_dns_inner)
}

fn is_dns1123_subdomain(name: &str) -> bool {
    name.split('.').all(is_dns1123_label)
}

fn is_label_name(name: &str) -> bool {
    let alphanumeric = |c: char| c.is_ascii_alphanumeric();
    name.starts_with(alphanumeric) && name.ends_with(alphanumeric) && is_config_key(name)
}

fn is_config_key(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.bytes().all(allowed)
}
