//! Names that Kubernetes accepts and refuses, and the words it refuses them with.

use super::*;

#[track_caller]
fn check(rule: fn(&str) -> Validity, valid: &[&str], invalid: &[&str]) {
    for name in valid {
        assert_eq!(rule(name), Ok(()), "{name:?}");
    }
    for name in invalid {
        assert!(rule(name).is_err(), "{name:?}");
    }
}

#[track_caller]
fn check_faults(validity: Validity, expected: &[&str]) {
    assert_eq!(validity.unwrap_err(), expected);
}

#[test]
fn dns_labels() {
    let (max, over) = ("a".repeat(63), "a".repeat(64));
    let valid = ["a", "ab", "abc", "a1", "a-1", "a--1--2--b", "0", "01", "0-1-b", &max];
    let invalid =
        ["", "A", "aB", "-", "a-", "-a", "_", "a_b", ".", "a.b", " ", "a ", " a", "1 2", "a@", "å", &over];
    check(dns1123_label, &valid, &invalid);
    let numeric = ["0", "01", "0-1-b"];
    let alphabetic: Vec<&str> = valid.into_iter().filter(|name| !numeric.contains(name)).collect();
    check(dns1035_label, &alphabetic, &[&invalid[..], &numeric[..]].concat());
}

#[test]
fn dns_subdomains() {
    let (max, over) = ("a".repeat(253), "a".repeat(254));
    check(
        dns1123_subdomain,
        &["a", "0.1", "a-1.b--2", "a.b.c.d", "0-1.2-3", &max],
        &["", "A.b", ".", "a.", ".a", "a..b", "a.-b", "a-.b", "a_b.c", "a b", "a.b\n", &over],
    );
    check(
        wildcard_dns1123_subdomain,
        &["*.example.com", "*.bar.com", "*.a"],
        &["*.*.bar.com", "*.foo.*.com", "*bar.com", "f*.bar.com", "*", "*.", "a.b", "*.A"],
    );
}

#[test]
fn qualified_names_and_label_values() {
    let prefix = "a".repeat(253) + "/" + &"b".repeat(63);
    check(
        qualified_name,
        &["simple", "now-with-dashes", "1.2.3.4/5678", "example.com/Uppercase_Is_OK_123", "a_b.c", &prefix],
        &[
            "",
            "no%",
            "ends-",
            "-starts",
            "a/b/c",
            "Example.com/a",
            "a_b/c",
            "example.com/",
            "/simple",
            "a//b",
        ],
    );
    check(
        label_value,
        &["", "simple", "now-with-dashes", "1.2_3", "UPPER", &"a".repeat(63)],
        &["ends-", "-starts", ".dot", "a b", "a/b", "ü", &"a".repeat(64)],
    );
}

#[test]
fn keys_and_variables() {
    check(
        config_map_key,
        &["a", "good", "a.b", ".a", "_-.", "A_1", &"a".repeat(253)],
        &["", ".", "..", "..a", "b ad", "a/b", "a:b", &"a".repeat(254)],
    );
    check(env_var_name, &["_", "-x", "a.b", "MyEnvName1", ".x"], &["", "1a", "a b", "a=b", ".", "..", "..x"]);
    check(relaxed_env_var_name, &["1a", "a b", "!@#", ".."], &["", "a=b", "a\tb", "ä", "a\u{7f}"]);
}

#[test]
fn ports_and_others() {
    check(
        port_name,
        &["telnet", "re-mail-ck", "pop3", "a", "a-1", "1-a", "a-1-b-2-c", "1-a-2-b-3"],
        &["", "longerthan15characters", "12345", "1-2-3-4", "-begin", "end-", "two--hyphens", "whois++", "A"],
    );
    assert!([1, 80, 65535].into_iter().all(|port| port_number(port).is_ok()));
    assert!([0, -1, 65536].into_iter().all(|port| port_number(port).is_err()));
    check(path_segment_name, &["", "a", "...", "a b", "system:node", "日本"], &[".", "..", "a/b", "a%b"]);
    check(c_identifier, &["a", "_", "A_1"], &["", "1", "a-b", "a.b", "ä"]);
    check(http_header_name, &["X-Requested-With", "1"], &["", "Host:", "X_Y", " X"]);
    check(percent, &["0%", "100%", "250%"], &["", "%", "-1%", "1", "1.5%", "1%%"]);
}

#[test]
fn faults_are_in_the_servers_words() {
    check_faults(
        dns1123_subdomain("Foo"),
        &[
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and \
           must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is \
           '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')",
        ],
    );
    check_faults(
        dns1123_label("Foo"),
        &[
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start \
           and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is \
           '[a-z0-9]([-a-z0-9]*[a-z0-9])?')",
        ],
    );
    check_faults(dns1123_label("a.b"), &["must not contain dots"]);
    check_faults(dns1123_label(&"a".repeat(64)), &["must be no more than 63 characters"]);
    check_faults(
        qualified_name(&format!("/{}", "a".repeat(64))),
        &["prefix part must be non-empty", "name part must be no more than 63 bytes"],
    );
    let key = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an \
               alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is \
               '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
    check_faults(qualified_name(""), &["name part must be non-empty", &format!("name part {key}")]);
    check_faults(
        qualified_name("a/b/c"),
        &[&format!(
            "a valid label key {key} with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )],
    );
    check_faults(
        label_value("-"),
        &[
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and \
           must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex \
           used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')",
        ],
    );
    check_faults(
        port_name(""),
        &[
            "must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)",
            "must contain at least one letter (a-z)",
        ],
    );
    check_faults(
        port_name("a--"),
        &["must not contain consecutive hyphens", "must not begin or end with a hyphen"],
    );
    check_faults(port_number(0), &["must be between 1 and 65535, inclusive"]);
    check_faults(config_map_key("."), &["must not be '.'"]);
    check_faults(path_segment_name(".."), &["may not be '..'"]);
    check_faults(path_segment_name("/%"), &["may not contain '/'", "may not contain '%'"]);
    check_faults(
        env_var_name("1"),
        &[
            "a valid environment variable name must consist of alphabetic characters, digits, '_', '-', or '.', and \
           must not start with a digit (e.g. 'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for \
           validation is '[-._a-zA-Z][-._a-zA-Z0-9]*')",
        ],
    );
}
