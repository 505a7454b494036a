//! What Kubernetes reads as label selectors, what they select, and what must hold for all of them.

use proptest::prelude::*;
use serde_json::json;

use super::*;

fn selector(query: &str) -> Selector {
    query.parse().unwrap_or_else(|error| panic!("{query}: {error}"))
}

/// `query` parses and is printed as `printed`.
#[track_caller]
fn check(query: &str, printed: &str) {
    assert_eq!(selector(query).to_string(), printed, "{query}");
    assert_eq!(selector(printed), selector(query), "{printed}");
}

#[track_caller]
fn check_refused(query: &str, message: &str) {
    assert_eq!(query.parse::<Selector>().unwrap_err().to_string(), message, "{query}");
}

#[track_caller]
fn check_match(query: &str, labels: &[(&str, &str)], expected: bool) {
    assert_eq!(selector(query).matches_pairs(labels), expected, "{query} {labels:?}");
    let map = labels.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect();
    assert_eq!(selector(query).matches_labels(&map), expected, "{query} {labels:?}");
}

#[test]
fn equality_queries_are_read_as_kubernetes_does() {
    for query in ["x=a,y=b,z=c", "", "x!=a,y=b", "x=", "!x", "x>1", "x>1,z<5", "x==a"] {
        check(query, query);
    }
    check("x= ", "x=");
    check("x= ,z= ", "x=,z=");
    check("x=a,a=x", "a=x,x=a");
    check(" x = a , ! y ", "x=a,!y");
    check("notin=in", "notin=in");
    check("in in (in)", "in in (in)");
    check("example.com/a=B_1.c", "example.com/a=B_1.c");
}

#[test]
fn set_queries_are_read_as_kubernetes_does() {
    check("\rx", "x");
    check(
        "this-is-another-dns.domain.com/key-with-dash in (so,what)",
        "this-is-another-dns.domain.com/key-with-dash in (so,what)",
    );
    check(
        "0.1.2.domain/99 notin (10.10.100.1, tick.tack.clock)",
        "0.1.2.domain/99 notin (10.10.100.1,tick.tack.clock)",
    );
    check("foo  in\t (abc)", "foo in (abc)");
    check("x notin\n (abc,def)", "x notin (abc,def)");
    check("x in (b,a,b)", "x in (a,b)");
    check("x in (abc,)", "x in (,abc)");
    check("x in ()", "x in ()");
    check("x in (a,,a,,a,,)", "x in (,a)");
    check("x notin ( )", "x notin ()");
    check("x notin (, a)", "x notin (,a)");
    check("x notin (abc,,def),bar,z in (),w", "bar,w,x notin (,abc,def),z in ()");
    check("x,y in (a)", "x,y in (a)");
    check("a in (x,y,notin, z,in)", "a in (in,notin,x,y,z)");
    assert_eq!(selector("x in ()").requirements()[0].values(), [""]);
}

#[test]
fn what_cannot_be_read_is_refused_in_the_servers_words() {
    check_refused(",x", "found ',', expected: !, identifier, or 'end of string'");
    check_refused("(", "found '(', expected: !, identifier, or 'end of string'");
    check_refused("x,,y", "found ',', expected: identifier after ','");
    check_refused("a in (xyz),", "found '', expected: identifier after ','");
    check_refused("a in (xyz)b notin ()", "found 'b', expected: ',' or 'end of string'");
    check_refused("!x=a", "found '=', expected: ',' or 'end of string'");
    check_refused("x==a==b", "found '==', expected: ',' or 'end of string'");
    check_refused("!", "unable to parse requirement: found '', expected: identifier");
    check_refused(
        "x nott in (y)",
        "unable to parse requirement: found 'nott', expected: in, notin, =, ==, !=, gt, lt",
    );
    check_refused("a (", "unable to parse requirement: found '(', expected: in, notin, =, ==, !=, gt, lt");
    check_refused("a in x", "unable to parse requirement: found 'x', expected: '('");
    check_refused("a in (xyz abc)", "unable to parse requirement: found 'abc', expected: ',' or ')'");
    check_refused("a notin(", "unable to parse requirement: found '', expected: ',', ')' or identifier");
    check_refused("a notin(b,", "unable to parse requirement: found '', expected: ',', or identifier");
    check_refused("a=(b)", "unable to parse requirement: found '(', expected: identifier");
    check_refused(
        "x<a",
        "unable to parse requirement: values[0]: Invalid value: \"a\": for 'Gt', 'Lt' operators, the value must be \
         an integer",
    );
    let refused = |query: &str| query.parse::<Selector>().unwrap_err().to_string();
    assert!(
        refused("a%=b")
            .starts_with("unable to parse requirement: <nil>: Invalid value: \"a%\": name part must")
    );
    assert!(
        refused("a=%")
            .starts_with("unable to parse requirement: values[0][a]: Invalid value: \"%\": a valid label")
    );
    assert!(refused("x=a||y=b").contains("values[0][x]"));
    assert!(refused("x=ä").contains("values[0][x]"));
}

#[test]
fn requirements_are_validated() {
    let new = |key: &str, operator, values: &[&str]| {
        Requirement::new(key, operator, values.iter().map(|value| (*value).to_owned()))
    };
    assert!(matches!(new("x", Operator::In, &[]), Err(SelectorError::ValueCount { .. })));
    assert!(matches!(new("x", Operator::NotIn, &[]), Err(SelectorError::ValueCount { .. })));
    assert!(matches!(new("x", Operator::Equals, &["a", "b"]), Err(SelectorError::ValueCount { .. })));
    assert!(matches!(new("x", Operator::Exists, &["a"]), Err(SelectorError::ValueCount { .. })));
    assert!(matches!(new("x", Operator::GreaterThan, &[]), Err(SelectorError::ValueCount { .. })));
    assert!(matches!(new("x", Operator::LessThan, &["a"]), Err(SelectorError::NotAnInteger { .. })));
    assert!(matches!(new(&"a".repeat(254), Operator::Exists, &[]), Err(SelectorError::InvalidKey { .. })));
    assert!(matches!(
        new("x", Operator::In, &["b", "a b"]),
        Err(SelectorError::InvalidValue { index: 1, .. })
    ));
    assert_eq!(new("x", Operator::In, &["b", "a"]).unwrap().values(), ["a", "b"]);
    assert!(new("x", Operator::DoesNotExist, &[]).is_ok());
}

#[test]
fn selection_is_kubernetes() {
    for (query, labels, expected) in [
        ("", &[("x", "y")][..], true),
        ("x=y", &[("x", "y")], true),
        ("x=y,z=w", &[("x", "y"), ("z", "w")], true),
        ("x!=y,z!=w", &[("x", "z"), ("z", "a")], true),
        ("notin=in", &[("notin", "in")], true),
        ("x", &[("x", "z")], true),
        ("!x", &[("y", "z")], true),
        ("x>1", &[("x", "2")], true),
        ("x<1", &[("x", "0")], true),
        ("x=z", &[], false),
        ("x=y", &[("x", "z")], false),
        ("x=y,z=w", &[("x", "w"), ("z", "w")], false),
        ("x!=y,z!=w", &[("x", "z"), ("z", "w")], false),
        ("x", &[("y", "z")], false),
        ("!x", &[("x", "z")], false),
        ("x>1", &[("x", "0")], false),
        ("x>1", &[("x", "1")], false),
        ("x<1", &[("x", "2")], false),
        ("x>1", &[("x", "many")], false),
        ("x>1", &[], false),
        ("x in (a,b)", &[("x", "b")], true),
        ("x in (a,b)", &[("x", "c")], false),
        ("x in (a,b)", &[], false),
        ("x in ()", &[("x", "")], true),
        ("x notin (a,b)", &[("x", "c")], true),
        ("x notin (a,b)", &[("x", "a")], false),
        ("foo=bar,foobar=bar,baz=blah", &[("baz", "blah"), ("foo", "bar")], false),
    ] {
        check_match(query, labels, expected);
    }
}

#[test]
fn negative_requirements_hold_when_the_label_is_absent() {
    check_match("x!=y", &[], true);
    check_match("x notin (y)", &[("a", "b")], true);
    check_match("!x", &[], true);
}

#[test]
fn an_index_can_use_what_a_selector_requires() {
    let required = |query: &str| selector(query).required_pair().map(|(key, value)| format!("{key}={value}"));
    assert_eq!(required("a!=b,b,c notin (d)"), None);
    assert_eq!(required("b in (x,y),c==d"), Some("c=d".into()));
    assert_eq!(required("b in (x),c=d"), Some("b=x".into()));
    assert_eq!(selector("b in (x),c=d").required("c"), Some("d"));
    assert_eq!(selector("b in (x),c=d").required("e"), None);
    assert_eq!(selector("a=b,a=c,d").required_pairs().collect::<Vec<_>>(), [("a", "b"), ("a", "c")]);
    assert_eq!(Selector::nothing().required_pair(), None);
}

#[test]
fn the_form_in_objects_is_read() {
    let parsed = Selector::from_value(&json!({
        "matchLabels": {"foo": "bar"},
        "matchExpressions": [
            {"key": "baz", "operator": "In", "values": ["qux", "norf"]},
            {"key": "gone", "operator": "DoesNotExist", "values": null},
            {"key": "here", "operator": "Exists"},
            {"key": "not", "operator": "NotIn", "values": ["a"]},
        ],
    }));
    assert_eq!(parsed.unwrap().to_string(), "baz in (norf,qux),foo=bar,!gone,here,not notin (a)");
    let nulls = Selector::from_value(&json!({"matchLabels": null, "matchExpressions": null}));
    assert!(nulls.unwrap().is_everything());
    assert!(!Selector::nothing().matches(|_| None));
    assert!(Selector::everything().matches(|_| None));
}

#[test]
fn a_wrong_form_in_objects_is_refused() {
    let refused = |value| Selector::from_value(&value).unwrap_err().to_string();
    let one = |key: &str, operator: &str| json!({"matchExpressions": [{"key": key, "operator": operator}]});
    assert_eq!(refused(one("a", "Gt")), "\"Gt\" is not a valid label selector operator");
    assert_eq!(
        refused(json!({"matchExpressions": [{"key": "a"}]})),
        "\"\" is not a valid label selector operator"
    );
    assert_eq!(
        refused(one("a", "In")),
        "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty"
    );
    assert!(
        refused(one("", "Exists"))
            .starts_with("key: Invalid value: \"\": name part must be non-empty; name part")
    );
    assert_eq!(refused(json!("a=b")), "selector: expected an object");
    assert_eq!(refused(json!({"matchLabels": ["a"]})), "matchLabels: expected an object");
    assert_eq!(refused(json!({"matchLabels": {"a": 1}})), "matchLabels: expected strings as values");
    assert_eq!(refused(json!({"matchExpressions": {}})), "matchExpressions: expected an array");
    let values = json!({"matchExpressions": [{"key": "a", "operator": "In", "values": [1]}]});
    assert_eq!(refused(values), "matchExpressions[*].values: expected an array of strings");
}

#[test]
fn plain_labels_are_taken_as_they_are() {
    let labels = BTreeMap::from([("b".into(), "not valid!".into()), ("a".into(), String::new())]);
    let selector = Selector::from_labels(&labels);
    assert!(selector.matches_labels(&labels));
    assert!(Selector::from_labels(&BTreeMap::new()).is_everything());
}

fn query() -> impl Strategy<Value = String> {
    let requirement = prop_oneof![
        "[a-c]",
        "![a-c]",
        "[a-c](=|==|!=)[a-c]?",
        "[a-c](>|<)[0-9]{1,2}",
        "[a-c] (in|notin) \\([a-c]?(,[a-c]?){0,3}\\)",
    ];
    prop::collection::vec(requirement, 0..5).prop_map(|requirements| requirements.join(","))
}

proptest! {
    #[test]
    fn printing_loses_nothing(query in query()) {
        let parsed = selector(&query);
        prop_assert_eq!(selector(&parsed.to_string()), parsed);
    }

    #[test]
    fn what_is_required_is_had(query in query(), labels in prop::collection::btree_map("[a-c]", "[a-c]?", 0..4)) {
        let parsed = selector(&query);
        if parsed.matches_labels(&labels) {
            for (key, value) in parsed.required_pairs() {
                prop_assert_eq!(labels.get(key).map(String::as_str), Some(value));
            }
        }
        let all = parsed.requirements().iter().all(|r| r.matches(labels.get(r.key()).map(String::as_str)));
        prop_assert_eq!(parsed.matches_labels(&labels), all);
    }

    #[test]
    fn no_query_panics(query in "\\PC{0,24}", symbols in "[a=!(),><in \t]{0,24}") {
        let _ = query.parse::<Selector>();
        if let Ok(parsed) = symbols.parse::<Selector>() {
            prop_assert_eq!(selector(&parsed.to_string()), parsed);
        }
    }
}
