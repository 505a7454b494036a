//! Names of managers: the one that a request gives, or that of the program that sends it
//! (`apiserver/pkg/endpoints/handlers/create.go`, `apimachinery/pkg/apis/meta/v1/validation`).

use orch_core::{Fault, FaultKind};

/// Bytes of a name at most (`FieldManagerMaxLength`).
const MAX_BYTES: usize = 128;

/// The manager of a request: the parameter `fieldManager`, or the name of the program in `User-Agent`.
///
/// ```
/// use orch_api::patch::manager_name;
/// assert_eq!(manager_name("me", "kubectl/v1.36.2 (linux/amd64)"), "me");
/// assert_eq!(manager_name("", "kubectl/v1.36.2 (linux/amd64)"), "kubectl");
/// ```
#[must_use]
pub fn manager_name(given: &str, user_agent: &str) -> String {
    if !given.is_empty() {
        return given.to_owned();
    }
    let program = user_agent.split('/').next().unwrap_or_default();
    let mut name = String::new();
    for letter in program.chars().filter(|letter| is_printable(*letter)) {
        if name.len() + letter.len_utf8() > MAX_BYTES {
            break;
        }
        name.push(letter);
    }
    name
}

/// What is wrong with the parameter `fieldManager`.
///
/// ```
/// use orch_api::patch::manager_faults;
/// assert!(manager_faults("kubectl-client-side-apply").is_empty());
/// assert_eq!(manager_faults("a\n")[0].detail, "should only contain printable characters");
/// ```
#[must_use]
pub fn manager_faults(name: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    if name.len() > MAX_BYTES {
        let why = format!("may not be more than {MAX_BYTES} bytes");
        faults.push(Fault::new(FaultKind::TooLong, "fieldManager", why));
    }
    if name.chars().any(|letter| !is_printable(letter)) {
        let fault =
            Fault::new(FaultKind::Invalid, "fieldManager", "should only contain printable characters");
        faults.push(fault.value(format!("{name:?}")));
    }
    faults
}

/// About what Go's `unicode.IsPrint` says.
fn is_printable(letter: char) -> bool {
    letter == ' ' || !(letter.is_control() || letter.is_whitespace())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_printable() {
        let long = "é".repeat(100);
        assert_eq!(manager_name("", &long).len(), MAX_BYTES);
        assert_eq!(manager_name("", "a\u{7}b c/1"), "ab c");
        assert_eq!(manager_name("", ""), "");
        assert_eq!(manager_faults(&long)[0].kind, FaultKind::TooLong);
        assert_eq!(manager_faults("a\tb").len(), 1);
    }
}
