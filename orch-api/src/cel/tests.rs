use proptest::prelude::*;
use serde_json::{Value, json};

use super::{BUDGET, Input, Program, Root, Stop, Ty, Val};
use crate::custom::schema::Schema;

fn schema() -> Value {
    json!({"type": "object", "properties": {
    "spec": {"type": "object", "properties": {
        "size": {"type": "integer"},
        "name": {"type": "string"},
        "half": {"type": "number"},
        "on": {"type": "boolean"},
        "port": {"x-kubernetes-int-or-string": true},
        "since": {"type": "string", "format": "date-time"},
        "wait": {"type": "string", "format": "duration"},
        "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "items": {"type": "array", "items": {"type": "object", "properties": {"key": {"type": "string"}, "n": {"type": "integer"}}}},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}},
        "a-b": {"type": "integer"},
        "namespace": {"type": "string"}
    }}}})
}

fn object() -> Value {
    json!({"apiVersion": "a/v1", "kind": "W", "metadata": {"name": "w"}, "spec": {
        "size": 3, "name": "web", "half": 0.5, "on": true, "port": "http", "since": "2026-01-01T00:00:00Z", "wait": "90 seconds",
        "tags": ["a", "b"], "items": [{"key": "x", "n": 1}, {"key": "y", "n": 2}], "labels": {"app": "web"}, "a-b": 7,
        "namespace": "ns"}})
}

fn evaluate(text: &str, old: Option<&Value>) -> Result<bool, String> {
    let schema = Schema::structure(&schema());
    let this = Ty::of(&schema, Root::Whole);
    let program = Program::compile(text, &this, false, &Ty::BOOL).map_err(|why| format!("compile: {why}"))?;
    // Whatever compiles has a cost.
    let _ = program.cost(&schema, Root::Whole, false);
    let object = object();
    let input = Input { now: (&object, &schema), before: old.map(|old| (old, &schema)), is_optional: false };
    let mut budget = BUDGET;
    match program.run(input, &mut budget) {
        Ok(Val::Bool(flag)) => Ok(flag),
        other => Err(format!("{other:?}")),
    }
}

#[test]
fn what_holds_is_true() {
    for text in [
        "self.spec.size < 9 || self.spec.name == 'blue'",
        "self.spec.size + 1 == 4 && self.spec.size * 2 - 1 == 5 && 7 / 2 == 3 && 7 % 4 == 3 && -self.spec.size == -3",
        "self.spec.half * 2.0 == 1.0 && self.spec.size > 2.5",
        "self.metadata.name == 'w' && self.kind.startsWith('W')",
        "has(self.spec.size) && !has(self.spec.items[0].n) || true",
        "self.spec.tags.all(t, t.size() == 1) && self.spec.tags.exists(t, t == 'a') && 'b' in self.spec.tags",
        "self.spec.items.map(i, i.n) == [1, 2] && self.spec.items.filter(i, i.n > 1).size() == 1",
        "self.spec.items.exists_one(i, i.key == 'x') && self.spec.items.map(i, i.n > 1, i.key) == ['y']",
        "self.spec.labels.all(k, self.spec.labels[k] == 'web') && 'app' in self.spec.labels",
        "self.spec.labels.exists(k, v, k == 'app' && v == 'web')",
        "self.spec.tags.all(ip, ip.size() == 1) && self.spec.tags.exists(format, format.startsWith('a'))",
        "format.dns1123LabelPrefix().validate('-').hasValue() && !format.dns1123LabelPrefix().validate('a-').hasValue()",
        "self.spec.labels == {'app': 'web'} && self == self && self.spec.items != [self.spec.items[0]]",
        "self.spec.a__dash__b == 7 && self.spec.__namespace__ == 'ns'",
        "self.spec.since < timestamp('2027-01-01T00:00:00Z') && self.spec.since.getFullYear() == 2026",
        "self.spec.wait > duration('1m') && self.spec.wait.getSeconds() == 90",
        "type(self.spec.since) == google.protobuf.Timestamp && type(self.spec.wait) == google.protobuf.Duration",
        "self.spec.port == 'http' && type(self.spec.port) == string",
        "self.spec.name.matches('^w[a-z]+$') && self.spec.name.upperAscii() == 'WEB' && 'a,b'.split(',') == ['a', 'b']",
        "'hello'.substring(1, 3) == 'el' && 'hello'.indexOf('l') == 2 && 'x'.replace('x', 'y') == 'y' && 'é'.size() == 1",
        "quantity('1Gi').isGreaterThan(quantity('1M')) && quantity('500m').add(quantity('1')).compareTo(quantity('1.5')) == 0",
        "sets.contains([1, 2, 3], [2]) && [3, 1].sum() == 4 && [1, 2].isSorted() && [1, 2].max() == 2",
        "cidr('10.0.0.0/8').containsIP('10.1.2.3') && ip('::1').family() == 6 && isIP('1.2.3.4') && url('https://a:1/b').getPort() == '1'",
        "optional.none().orValue(3) == 3 && self.spec.?name.orValue('') == 'web' && self.spec.labels[?'no'].hasValue() == false",
        "self.spec.?size.optMap(x, x + x) == optional.of(6)",
        "semver('1.2.3').isLessThan(semver('v1.10', true)) && !isSemver('1') && semver('1.2.3').minor() == 2",
        "!format.dns1123Label().validate('a').hasValue() && format.named('uuid').value().validate('x').value().size() == 1",
        "'%s is %d of %.2f%%: %x'.format(['a', 3, 1234.5, 255]) == 'a is 3 of 1,234.50%: ff'",
        "'%s %s'.format([['a', 1], {'k': true}]) == '[\"a\", 1] {\"k\":true}'",
        "'%e'.format([1052.032911275]) == '1.052033 × 10⁰³'",
        "[[1], [2, [3]]].flatten().size() == 3 && [3, 1, 2].sort() == [1, 2, 3] && lists.range(3) == [0, 1, 2]",
        "self.spec.items.sortBy(i, -i.n).map(i, i.key) == ['y', 'x'] && [1, 2, 1].distinct() == [1, 2]",
        "ip('224.0.0.1').isLinkLocalMulticast() && strings.quote('a') == '\"a\"'",
        "{'a': 1}['a'] == 1 && {'a': 1}.size() == 1 && [1, 2][1] == 2",
        "self.spec.on ? true : false",
        "true || 1 / 0 == 1",
        "1 / 0 == 1 || true",
        "int('7') == 7 && string(7) == '7' && double(7) == 7.0 && 1u + 2u == 3u && bytes('a') == b'a' && r'\\d' == '\\\\d'",
    ] {
        assert_eq!(evaluate(text, None), Ok(true), "{text}");
    }
}

#[test]
fn addresses_and_urls_are_what_kubernetes_takes() {
    for (text, expected) in [
        ("isIP('::1')", true),
        ("isIP('010.0.0.1')", false),
        ("isIP('::ffff:1.2.3.4')", false),
        ("isCIDR('10.0.0.0/8') && isCIDR('10.0.0.0/0') && isCIDR('fd00::/128')", true),
        ("isCIDR('10.10.010.10/24')", false),
        ("isCIDR('10.0.0.0/08')", false),
        ("isCIDR('abcd:ef01:2345:6789::abcd:ef01:2345:6789/125')", false),
        ("isCIDR('::ffff:1.2.3.4/96')", false),
        ("cidr('10.1.2.3/8').ip() == ip('10.1.2.3') && cidr('10.0.0.0/8').containsCIDR('10.1.0.0/16')", true),
        ("isURL('https://user:pass@example.com:80/path?query=val#fragment') && isURL('mailto:a@b')", true),
        ("isURL('http://[::1')", false),
        ("isURL('http://ex.com:port')", false),
        ("isURL('http://%zz')", false),
        ("isURL('http://ex.com/%zz')", false),
        ("url('https://[::1]:80/a b').getHostname() == '::1'", true),
        ("url('https://[::1]:80/a b').getEscapedPath() == '/a%20b'", true),
        ("url('/a?b=c+d&b=e').getQuery() == {'b': ['c d', 'e']}", true),
    ] {
        assert_eq!(evaluate(text, None), Ok(expected), "{text}");
    }
}

#[test]
fn errors_are_told_and_never_wrong_numbers() {
    for (text, expected) in [
        ("ip('::ffff:1.2.3.4').family() == 6", "IP Address"),
        ("ip.isCanonical('::ffff:1.2.3.4')", "IP Address"),
        ("cidr('10.0.0.0/08').prefixLength() == 8", "network address parse error"),
        ("cidr('10.0.0.0/8').containsIP('::ffff:10.0.0.1')", "IP Address"),
        ("cidr('10.0.0.0/8').containsCIDR('10.0.0.0/08')", "network address parse error"),
        ("url('http://[::1').getHost() == ''", "URL parse error"),
        ("duration('1d') > duration('1h')", "to 'duration': 1d"),
        ("9223372036854775807 + 1 > 0", "integer overflow"),
        ("-9223372036854775808 / -1 > 0", "integer overflow"),
        ("1 / 0 == 1", "division by zero"),
        ("self.spec.labels['nope'] == 'x'", "no such key: nope"),
        ("self.spec.items[5].n == 1", "index out of bounds: 5"),
        ("self.spec.port > 1", "no such overload"),
        ("'a'.matches('(')", "error parsing regexp"),
        ("optional.none().value() == 1", "optional.none() dereference"),
    ] {
        let error = evaluate(text, None).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
}

#[test]
fn what_cannot_be_right_does_not_compile() {
    for (text, expected) in [
        (
            "self.spec.nope > 1",
            "ERROR: <input>:1:10: undefined field 'nope'\n | self.spec.nope > 1\n | .........^",
        ),
        ("self.metadata.labels == {}", "undefined field 'labels'"),
        ("self.spec.size == 'a'", "found no matching overload for '_==_' applied to '(int, string)'"),
        ("self.spec.name > 1", "found no matching overload for '_>_' applied to '(string, int)'"),
        ("self.spec.name && true", "found no matching overload for '_&&_'"),
        ("selfie.size > 1", "undeclared reference to 'selfie' (in container '')"),
        ("frob(self)", "undeclared reference to 'frob' (in container '')"),
        ("self.spec.size.all(x, true)", "cannot be range of a comprehension"),
        ("self.spec.name.startsWith(1)", "found no matching overload for 'startsWith'"),
        ("self.spec.size <", "Syntax error"),
        ("self.spec.size > 1)", "Syntax error"),
        ("has(self)", "invalid argument to has() macro"),
        ("math.greatest(1, 2) == 2", "undeclared reference to 'math'"),
        ("cel.bind(x, 1, x == 1)", "undeclared reference to 'cel'"),
        ("sets.frob([1], [2])", "undeclared reference to 'sets'"),
    ] {
        let error = evaluate(text, None).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert_eq!(evaluate("self.spec.size", None), Err("compile: ".to_owned()), "it must be a bool");
}

#[test]
fn a_rule_may_look_at_what_was() {
    let mut old = object();
    old["spec"]["size"] = json!(1);
    assert_eq!(evaluate("self.spec.size >= oldSelf.spec.size", Some(&old)), Ok(true));
    assert_eq!(evaluate("self.spec.size < oldSelf.spec.size", Some(&old)), Ok(false));
}

#[test]
fn steps_and_depth_are_bounded() {
    let list = format!("[{}]", "1, ".repeat(400));
    let text = format!("{list}.all(a, {list}.all(b, {list}.all(c, a + b + c > 0)))");
    assert!(evaluate(&text, None).unwrap_err().contains("OverBudget"));
    let text = format!("{}true{}", "(".repeat(5000), ")".repeat(5000));
    assert!(evaluate(&text, None).unwrap_err().contains("nested deeper"));
    let text = format!("1{} > 0", " + 1".repeat(3000));
    assert!(evaluate(&text, None).unwrap_err().contains("nested deeper"));
    let text = format!("{}true", "!".repeat(3000));
    assert!(evaluate(&text, None).unwrap_err().contains("nested deeper"));
    let text = vec!["true"; 2000].join(" && ");
    assert_eq!(evaluate(&text, None), Ok(true), "a long chain is not deep");
}

#[test]
fn what_is_large_by_its_parts_is_paid_for() {
    let large = format!("[[0]]{}", ".map(a, [a, a, a, a, a, a, a, a, a, a])".repeat(10));
    for text in [
        format!("{large} == {large}"),
        format!("{large}[0] in {large}"),
        format!("sets.contains({large}, {large})"),
        format!("{large}.distinct().size() == 1"),
        format!("{large}.indexOf({large}[0]) == 0"),
        format!("'%s'.format([{large}]) == ''"),
        "[lists.range(200000)].map(b, lists.range(100000).all(x, [b] == [b])) == [true]".to_owned(),
        "[lists.range(200000)].map(b, lists.range(100000).map(x, [b].flatten(0)).size()) == [1]".to_owned(),
    ] {
        assert!(evaluate(&text, None).unwrap_err().contains("OverBudget"), "{text}");
    }
}

#[test]
fn sets_are_joined_within_the_budget() {
    let tags: Vec<String> = (0..9000).map(|number| format!("t{number}")).collect();
    let others = (0..1000).map(|number| format!("'{number}'")).collect::<Vec<_>>().join(", ");
    let mut object = object();
    object["spec"]["tags"] = json!(tags);
    let schema = Schema::structure(&schema());
    let this = Ty::of(&schema, Root::Whole);
    let text = format!("(self.spec.tags + [{others}]).size() == 10000");
    let program = Program::compile(&text, &this, false, &Ty::BOOL).unwrap();
    let input = Input { now: (&object, &schema), before: None, is_optional: false };
    let stop = program.run(input, &mut { BUDGET }).unwrap_err();
    assert_eq!(stop, Stop::OverBudget, "each of the new ones is compared with all");
}

#[test]
fn numbers_keep_to_their_type() {
    for (text, expected) in [
        ("18446744073709551615u + 1u > 0u", "unsigned integer overflow"),
        ("1u - 2u > 0u", "unsigned integer overflow"),
        ("9223372036854775807 * 2 > 0", "integer overflow"),
        ("-9223372036854775807 - 2 < 0", "integer overflow"),
        ("7u % 0u == 0u", "modulus by zero"),
        ("7u / 0u == 0u", "division by zero"),
    ] {
        let error = evaluate(text, None).unwrap_err();
        assert!(error.contains(expected), "{text}: {error}");
    }
    assert_eq!(
        evaluate("-7 / 2 == -3 && -7 % 2 == -1 && 18446744073709551615u / 2u == 9223372036854775807u", None),
        Ok(true)
    );
}

#[test]
fn a_budget_is_shared() {
    let schema = Schema::structure(&schema());
    let this = Ty::of(&schema, Root::Whole);
    let program = Program::compile("[1, 2, 3].all(x, x > 0)", &this, false, &Ty::BOOL).unwrap();
    let object = object();
    let input = Input { now: (&object, &schema), before: None, is_optional: false };
    let mut budget = 1000;
    program.run(input, &mut budget).unwrap();
    assert!(budget < 1000);
    budget = 3;
    assert_eq!(program.run(input, &mut budget).unwrap_err(), Stop::OverBudget);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn no_text_makes_it_panic(text in prop_oneof![
        "[a-c0-9 .,?:+*/%<>=!&|'\"()\\[\\]{}\\\\é-]{0,40}",
        "(self|oldSelf|size|\\.spec|\\.tags|\\.all\\(|x|,|\\)|\\(|\\[|\\]|1|'a'| \\+ | && | > |has\\(|-|!|\\{|\\}|:|\\?|\\.name){0,16}",
    ]) {
        let _ = evaluate(&text, Some(&object()));
    }
}
