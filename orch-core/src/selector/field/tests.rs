//! What Kubernetes reads as field selectors, and what must hold for all of them.

use proptest::prelude::*;

use super::*;

/// `selector` parses and is printed as `printed`.
#[track_caller]
fn check(selector: &str, printed: &str) {
    let parsed: FieldSelector = selector.parse().unwrap_or_else(|error| panic!("{selector}: {error}"));
    assert_eq!(parsed.to_string(), printed, "{selector}");
    assert_eq!(printed.parse(), Ok(parsed), "{printed}");
}

#[track_caller]
fn check_refused(selector: &str, message: &str) {
    assert_eq!(selector.parse::<FieldSelector>().unwrap_err().to_string(), message);
}

#[track_caller]
fn check_match(selector: &str, fields: &[(&str, &str)], expected: bool) {
    let parsed: FieldSelector = selector.parse().unwrap();
    let get = |field: &str| fields.iter().find(|(name, _)| *name == field).map(|(_, value)| *value);
    assert_eq!(parsed.matches(get), expected, "{selector} {fields:?}");
}

#[test]
fn terms_are_sorted_and_operators_unified() {
    check("x=a,y=b,z=c", "x=a,y=b,z=c");
    check("", "");
    check("z==c,x!=a,y=b", "x!=a,y=b,z=c");
    check("a==z,a=b", "a=b,a=z");
    check(",x=a,,", "x=a");
    check("x=", "x=");
    check("=", "");
    check("!=,x=y", "x=y");
    check("metadata.name!=", "metadata.name!=");
}

#[test]
fn escapes_protect_commas_equals_signs_and_backslashes() {
    check(r"x=a||y\=b", r"x=a||y\=b");
    check(r"x=a\=\=b", r"x=a\=\=b");
    check(r"k=\,,k2=v2", r"k2=v2,k=\,");
    check(r"k=\\,k2=v2", r"k2=v2,k=\\");
    check(r"k=\\\,,k2=v2", r"k2=v2,k=\\\,");
    check("함=수,목=록", "목=록,함=수");
    let parsed: FieldSelector = r"k=\\\=\\\,\\".parse().unwrap();
    assert_eq!(parsed.required("k"), Some(r"\=\,\"));
}

#[test]
fn what_cannot_be_read_is_refused() {
    check_refused("a", "invalid selector: 'a'; can't understand 'a'");
    check_refused("x=a,b!", "invalid selector: 'x=a,b!'; can't understand 'b!'");
    check_refused(r"x=\a", r"invalid field selector: invalid escape sequence: \a");
    check_refused(r"x=\", r"invalid field selector: invalid escape sequence: \");
    check_refused("x=a=b", "invalid field selector: unescaped character in value: 61");
    check_refused("x==a==b", "invalid field selector: unescaped character in value: 61");
    check_refused("x=a||y=b", "invalid field selector: unescaped character in value: 61");
}

#[test]
fn an_absent_field_is_an_empty_one() {
    check_match("", &[("x", "y")], true);
    check_match("x=y", &[("x", "y")], true);
    check_match("x=y,z=w", &[("x", "y"), ("z", "w")], true);
    check_match("x!=y,z!=w", &[("x", "z"), ("z", "a")], true);
    check_match("x=y", &[("x", "z")], false);
    check_match("x=y,z=w", &[("x", "w"), ("z", "w")], false);
    check_match("x!=y,z!=w", &[("x", "z"), ("z", "w")], false);
    check_match("x=", &[], true);
    check_match("x!=", &[], false);
    check_match("x!=y", &[], true);
    check_match(r"x=a\,b", &[("x", "a,b")], true);
}

#[test]
fn only_an_equality_requires_a_value() {
    let selector: FieldSelector = "spec.nodeName=n1,status.phase!=Failed".parse().unwrap();
    assert_eq!(selector.required("spec.nodeName"), Some("n1"));
    assert_eq!(selector.required("status.phase"), None);
    assert_eq!(selector.required("metadata.name"), None);
    assert!(FieldSelector::everything().is_everything() && !selector.is_everything());
}

proptest! {
    #[test]
    fn every_value_survives_printing(value in "\\PC{0,20}", other in "[\\\\,=a]{0,8}") {
        let selector = FieldSelector::new([
            FieldTerm { field: "a.b".into(), operator: FieldOperator::Equals, value },
            FieldTerm { field: "c".into(), operator: FieldOperator::NotEquals, value: other },
        ]);
        prop_assert_eq!(selector.to_string().parse(), Ok(selector));
    }

    #[test]
    fn no_text_panics_and_what_parses_prints_the_same(text in "[!=,\\\\ab.]{0,16}") {
        if let Ok(selector) = text.parse::<FieldSelector>() {
            prop_assert_eq!(selector.to_string().parse(), Ok(selector));
        }
    }
}
