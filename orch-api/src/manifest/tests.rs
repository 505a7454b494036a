//! Tables and properties of reading manifest files.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::positions::{Inside, Node};
use super::*;

const HEAD: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n";

#[track_caller]
fn trees(text: &str) -> Vec<Value> {
    parse("f", text.as_bytes()).unwrap().into_iter().map(|manifest| manifest.tree).collect()
}

/// The field `x` of an object.
#[track_caller]
fn value(text: &str) -> Value {
    trees(&format!("{HEAD}{text}"))[0]["x"].clone()
}

#[track_caller]
fn errors(text: &str, expected: &[&str]) {
    let found: Vec<String> =
        parse("f", text.as_bytes()).unwrap_err().iter().map(ToString::to_string).collect();
    assert_eq!(found, expected);
}

#[track_caller]
fn lines(text: &str, expected: &[(&str, u32)]) {
    let manifest = &parse("f", text.as_bytes()).unwrap()[0];
    for (path, line) in expected {
        assert_eq!(manifest.locate(path).unwrap().line, *line, "{path}");
    }
}

#[test]
fn scalars_mean_what_they_mean_to_kubectl() {
    for (text, expected) in [
        ("x: yes", json!(true)),
        ("x: 'yes'", json!("yes")),
        ("x: 0644", json!(420)),
        ("x: 1.0", json!(1)),
        ("x: 1.5", json!(1.5)),
        ("x: 2001-01-01", json!("2001-01-01")),
        ("x:", json!(null)),
        ("x: ''", json!("")),
        ("x: |\n  a\n  b\n", json!("a\nb\n")),
        ("x: >-\n  a\n  b\n", json!("a b")),
        ("x: !!str 12", json!("12")),
        ("x: !!int '12'", json!(12)),
        ("x: !!binary aGk=", json!("aGk=")),
        ("x: !custom yes", json!("yes")),
        ("x: {1: a, 1.5: b, yes: c, 'd': e}", json!({"1": "a", "1.5": "b", "true": "c", "d": "e"})),
    ] {
        assert_eq!(value(text), expected, "{text}");
    }
}

#[test]
fn aliases_and_merge_keys_are_expanded() {
    assert_eq!(value("w: &a [1, {b: c}]\nx: *a"), json!([1, {"b": "c"}]));
    assert_eq!(value("w: &a {b: 1, c: 2}\nx: {<<: *a, c: 3}"), json!({"b": 1, "c": 3}));
    assert_eq!(
        value("w: &a {b: 1}\nz: &d {b: 2, e: 5}\nx: {<<: [*a, *d], f: 6}"),
        json!({"b": 1, "e": 5, "f": 6})
    );
    assert_eq!(value("w: &a k\nx: {*a : 1}"), json!({"k": 1}));
    assert_eq!(value("x: {'<<': 1}"), json!({"<<": 1}));
}

#[test]
fn positions_of_aliases_are_those_of_the_anchor() {
    let text = format!("{HEAD}w: &a\n  b: 1\nx: *a\nz:\n  <<: *a\n  c: 1\n");
    lines(&text, &[("w.b", 5), ("x", 6), ("x.b", 5), ("z.b", 5), ("z.c", 9)]);
}

#[test]
fn duplicate_keys_name_both_lines_and_the_field() {
    let text = format!("{HEAD}spec:\n  a: 1\n  b: {{c: 1, 'c': 2}}\n  a: 2\n");
    errors(
        &text,
        &["f:6:13: duplicate key \"c\", first on line 6", "f:7:3: duplicate key \"a\", first on line 5"],
    );
    let found = parse("f", text.as_bytes()).unwrap_err();
    assert_eq!((found[0].field.as_deref(), found[1].field.as_deref()), (Some("spec.b.c"), Some("spec.a")));
    errors(
        "{\"a\": 1,\n \"a\": 2, \"apiVersion\": \"v1\", \"kind\": \"List\"}",
        &["f:2:2: duplicate key \"a\", first on line 1"],
    );
    errors(&format!("{HEAD}x: {{1: a, '1': b}}"), &["f:4:11: duplicate key \"1\", first on line 4"]);
}

#[test]
fn what_json_cannot_say_is_an_error() {
    errors(&format!("{HEAD}x: .nan\n"), &["f:4:4: \".nan\" is no finite number"]);
    errors(&format!("{HEAD}x: !!int a\n"), &["f:4:10: \"a\" is no integer"]);
    errors(
        &format!("{HEAD}x: {{~: a, [b]: c}}\n"),
        &["f:4:5: a key must be a string, got null", "f:4:11: a key must be a string, got an array"],
    );
    errors(
        &format!("{HEAD}<<: 1\n"),
        &["f:4:5: the value of << must be an object or an array of objects, got a number"],
    );
}

#[test]
fn several_documents_are_numbered_with_the_empty_ones() {
    let text = format!("# nothing\n---\n{HEAD}---\n---\n# none\n---\n{HEAD}...\n");
    let manifests = parse("f", text.as_bytes()).unwrap();
    let places: Vec<_> = manifests.iter().map(|manifest| (manifest.document, manifest.line)).collect();
    assert_eq!(places, [(0, 3), (3, 10)]);
    assert_eq!(trees("").len() + trees("# only\n").len() + trees("---\n").len() + trees("null").len(), 0);
}

#[test]
fn json_documents_stand_one_after_another_or_separated() {
    let one = r#"{"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "\ud83d\ude00\/"}, "x": 1.0}"#;
    for text in
        [one.to_owned(), format!("\u{feff} {one}"), format!("{one}\n---\n{one}"), format!("{one}{one}\n")]
    {
        for tree in trees(&text) {
            assert_eq!(tree["metadata"]["name"], "\u{1f600}/");
            assert_eq!(tree["x"], json!(1));
        }
    }
    assert_eq!(trees(&format!("{one}\n---\n{one}")).len(), 2);
    let manifests = parse("f", format!("{one}{one}\n null {one}").as_bytes()).unwrap();
    let places: Vec<_> = manifests.iter().map(|manifest| (manifest.document, manifest.line)).collect();
    assert_eq!(places, [(0, 1), (1, 1), (3, 2)]);
    assert_eq!(trees("{apiVersion: v1, kind: Pod, metadata: {name: a}}").len(), 1);
}

#[test]
fn json_errors_say_where_and_what() {
    for (text, expected) in [
        ("{\"a\": 1\n \"b\"}", "f:2:2: expected ',' or '}', got '\"'"),
        ("{\"a\"}", "f:1:5: expected ':', got '}'"),
        ("{\"a\": [1, 2}", "f:1:12: expected ',' or ']', got '}'"),
        ("{\"a\": \"b", "f:1:7: string without an end"),
        ("{\"a\": 01x}\n\t- :", "f:1:7: invalid number"),
        ("{\"a\": \"\\q\"}", "f:1:7: invalid escape"),
        ("{\"a\":", "f:1:6: expected a value, got the end of the file"),
    ] {
        errors(text, &[expected]);
    }
}

#[test]
fn yaml_errors_say_where() {
    let found = parse("f", b"a: b\nc: [1, 2\nd: e\n").unwrap_err();
    assert_eq!(found.len(), 1);
    assert!(matches!(found[0].reason, Reason::Syntax { .. }), "{found:?}");
    assert!((2..=3).contains(&found[0].at.line), "{found:?}");
    errors("a: *b\n", &["f:1:4: while parsing node, found unknown anchor"]);
    let bad = b"a: b\nc: \xff\n";
    assert_eq!(parse("f", bad).unwrap_err()[0].to_string(), "f:2:4: not UTF-8");
}

#[test]
fn lists_become_their_items() {
    let text = "apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Pod\n  metadata: {name: a}\n\
                - apiVersion: v1\n  kind: List\n  items:\n  - apiVersion: v1\n    kind: Pod\n    metadata: {name: b}\n";
    let manifests = parse("f", text.as_bytes()).unwrap();
    let found: Vec<_> = manifests
        .iter()
        .map(|m| {
            (m.tree["metadata"]["name"].as_str().unwrap(), m.line, m.locate("metadata.name").unwrap().line)
        })
        .collect();
    assert_eq!(found, [("a", 4, 6), ("b", 10, 12)]);
    let typed = trees("apiVersion: apps/v1\nkind: DeploymentList\nitems: [{metadata: {name: a}}]");
    assert_eq!(typed[0], json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "a"}}));
    assert!(trees("{apiVersion: v1, kind: List}").is_empty());
    let own = trees("{apiVersion: a.b/v1, kind: AllowList, metadata: {name: a}}");
    assert_eq!(own[0]["kind"], "AllowList");
}

#[test]
fn every_object_has_a_kind_and_a_name() {
    errors(
        "a: b\n---\nkind: Pod\napiVersion: 1\n",
        &[
            "f:1:1: apiVersion is missing: add \"apiVersion: v1\"",
            "f:1:1: kind is missing: add \"kind: ConfigMap\"",
            "f:4:13: apiVersion must be a string, got a number: put quotes around it",
        ],
    );
    let remedy = "metadata.name is missing: add \"metadata: {name: example}\"";
    errors("apiVersion: v1\nkind: Pod\nmetadata:\n  labels: {}\n", &[&format!("f:3:1: {remedy}")]);
    errors("apiVersion: v1\nkind: Pod\n", &[&format!("f:1:1: {remedy}")]);
    errors(
        "apiVersion: v1\nkind: Pod\nmetadata:\n  name: 12\n",
        &["f:4:3: metadata.name must be a string, got a number: put quotes around it"],
    );
    errors("apiVersion: v1\nkind: Pod\nmetadata: []\n", &["f:3:11: expected an object, got an array"]);
    errors("- a\n", &["f:1:1: expected an object, got an array"]);
    errors("apiVersion: v1\nkind: List\nitems:\n- null\n", &["f:4:3: expected an object, got null"]);
    assert_eq!(trees("{apiVersion: v1, kind: Pod, metadata: {generateName: a-}}").len(), 1);
    assert_eq!(
        trees("{apiVersion: authorization.k8s.io/v1, kind: SelfSubjectAccessReview, spec: {}}").len(),
        1
    );
    let items = "apiVersion: v1\nkind: List\nitems:\n- {apiVersion: v1, kind: Pod}\n";
    assert_eq!(parse("f", items.as_bytes()).unwrap_err()[0].field.as_deref(), Some("items[0].metadata.name"));
}

#[test]
fn faults_of_the_schema_are_found_in_the_file() {
    let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n    a.b/c: true\nspec:\n  containers:\n\
                \x20 - name: a\n    # nothing here\n    imgae: b\n";
    let manifest = &parse("f", text.as_bytes()).unwrap()[0];
    let faults = crate::schema::check(&manifest.tree, crate::schema::lookup("", "v1", "Pod").unwrap());
    let found: Vec<_> =
        faults.iter().map(|f| (manifest.locate(&f.path).unwrap().line, f.path.as_str())).collect();
    assert_eq!(found, [(6, "metadata.annotations[a.b/c]"), (11, "spec.containers[0].imgae")]);
}

#[test]
fn aliases_cannot_blow_a_document_up() {
    let laughs = (1..12).fold("a0: &a0 [ha, ha, ha, ha]\n".to_owned(), |text, n| {
        let aliases = vec![format!("*a{}", n - 1); 9].join(", ");
        format!("{text}a{n}: &a{n} [{aliases}]\n")
    });
    let found = parse("f", laughs.as_bytes()).unwrap_err();
    assert_eq!(found[0].reason, Reason::TooLarge { by_aliases: true });
    let merges = (1..200).fold("a0: &a0 {x: [ha, ha, ha, ha]}\n".to_owned(), |text, n| {
        format!("{text}a{n}: &a{n} {{<<: [*a{}], b{n}: *a{}}}\n", n - 1, n - 1)
    });
    let found = parse("f", merges.as_bytes()).unwrap_err();
    assert_eq!(found[0].reason, Reason::TooLarge { by_aliases: true });
    let deep = (1..9).fold(format!("a0: &a0 {}{}\n", "[".repeat(50), "]".repeat(50)), |text, n| {
        format!("{text}a{n}: &a{n} {}*a{}{}\n", "[".repeat(20), n - 1, "]".repeat(20))
    });
    assert_eq!(parse("f", deep.as_bytes()).unwrap_err()[0].reason, Reason::TooDeep);
    assert_eq!(parse("f", b"a: &a [*a]\n").unwrap_err()[0].reason, Reason::RecursiveAlias);
}

#[test]
fn documents_are_bounded_in_depth_and_size_one_by_one() {
    for (open, close) in [("{\"a\":", "}"), ("{a: ", "}"), ("[", "]")] {
        let deep = format!("{{\"x\": {}1{}}}", open.repeat(1000), close.repeat(1000));
        let reason = &parse("f", deep.as_bytes()).unwrap_err()[0].reason;
        assert!(matches!(reason, Reason::TooDeep | Reason::Syntax { .. }), "{reason:?}");
    }
    let half = format!("{HEAD}data: {{a: '{}'}}\n", "x".repeat(MAX_DOCUMENT_BYTES / 2));
    assert_eq!(trees(&format!("{half}---\n{half}---\n{half}")).len(), 3);
    let large = format!("{half}b: '{}'\n", "x".repeat(MAX_DOCUMENT_BYTES / 2));
    assert_eq!(parse("f", large.as_bytes()).unwrap_err()[0].reason, Reason::TooLarge { by_aliases: false });
    let json = format!("{{\"a\": \"{}\"}}", "x".repeat(MAX_DOCUMENT_BYTES));
    assert_eq!(parse("f", json.as_bytes()).unwrap_err()[0].reason, Reason::TooLarge { by_aliases: false });
}

#[test]
fn the_number_of_errors_is_bounded() {
    let text = "kind: List\n".repeat(2 * MAX_ERRORS);
    assert_eq!(parse("f", text.as_bytes()).unwrap_err().len(), MAX_ERRORS);
}

/// A scalar in JSON, with everything escaped that YAML does not allow as it is.
fn quoted(scalar: &Value) -> String {
    let escape = |c: char| match c {
        '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fffe}' | '\u{ffff}' => {
            format!("\\u{:04x}", u32::from(c))
        }
        c => c.to_string(),
    };
    scalar.to_string().chars().map(escape).collect()
}

/// Writes a value so that each entry and element begins a line, and remembers the lines.
struct Writer {
    text: String,
    line: u32,
    json: bool,
}

impl Writer {
    fn line(&mut self, depth: usize, text: &str) {
        self.text += &format!("{}{text}\n", " ".repeat(depth));
        self.line += 1;
    }

    fn write(&mut self, value: &Value, depth: usize, prefix: &str, suffix: &str) -> Lines {
        let line = self.line;
        let (open, close) = match value {
            Value::Object(fields) if !fields.is_empty() => ("{", "}"),
            Value::Array(elements) if !elements.is_empty() => ("[", "]"),
            scalar => {
                self.line(depth, &format!("{prefix}{}{suffix}", quoted(scalar)));
                return Lines { line, inside: Vec::new() };
            }
        };
        self.line(depth, &if self.json { format!("{prefix}{open}") } else { format!("{prefix}# comment") });
        let mut inside = Vec::new();
        match value {
            Value::Object(fields) => {
                for (n, (key, value)) in fields.iter().enumerate() {
                    let suffix = if self.json && n + 1 < fields.len() { "," } else { "" };
                    let prefix = format!("{}: ", quoted(&Value::from(key.as_str())));
                    inside.push((key.clone(), self.write(value, depth + 1, &prefix, suffix)));
                }
            }
            Value::Array(elements) => {
                for (n, value) in elements.iter().enumerate() {
                    let suffix = if self.json && n + 1 < elements.len() { "," } else { "" };
                    let prefix = if self.json { "" } else { "- " };
                    inside.push((n.to_string(), self.write(value, depth + 1, prefix, suffix)));
                }
            }
            _ => {}
        }
        if self.json {
            self.line(depth, &format!("{close}{suffix}"));
        }
        Lines { line, inside }
    }
}

struct Lines {
    line: u32,
    inside: Vec<(String, Lines)>,
}

/// The lines of keys, and of elements that are scalars or written in JSON; a nested block of YAML begins on a later line.
fn compare(node: &Node, lines: &Lines, json: bool) {
    for (name, lines) in &lines.inside {
        match &node.inside {
            Inside::Entries(entries) => {
                assert_eq!(entries[name].key.line, lines.line, "{name}");
                compare(&entries[name].value, lines, json);
            }
            Inside::Elements(elements) => {
                let element = &elements[name.parse::<usize>().unwrap()];
                let nested = u32::from(!json && !lines.inside.is_empty());
                assert_eq!(element.at.line, lines.line + nested, "[{name}]");
                compare(element, lines, json);
            }
            Inside::Nothing => panic!("nothing at {name}"),
        }
    }
}

fn any_value() -> impl Strategy<Value = Value> {
    let text = || prop_oneof![".{0,12}", "[ -~]{0,12}", any::<String>()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-1_000_000_i32..1_000_000).prop_map(|n| Value::from(f64::from(n) + 0.5)),
        text().prop_map(Value::from),
        prop::sample::select(vec!["yes", "0644", "~", "<<", "1.0", "# no", "- a", "a: b"])
            .prop_map(Value::from),
    ];
    leaf.prop_recursive(5, 48, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text(), inner, 0..5)
                .prop_map(|entries| entries.into_iter().collect()),
        ]
    })
}

proptest! {
    #[test]
    fn text_of_a_value_is_that_value_with_its_lines(x in any_value(), json in any::<bool>()) {
        let tree = json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "x": x});
        let mut writer = Writer { text: String::new(), line: 1, json };
        let lines = if json {
            writer.write(&tree, 0, "", "")
        } else {
            writer.line(0, "# a comment");
            let fields = tree.as_object().unwrap();
            let inside = fields.iter().map(|(key, value)| {
                let prefix = format!("{}: ", quoted(&Value::from(key.as_str())));
                (key.clone(), writer.write(value, 0, &prefix, ""))
            });
            Lines { inside: inside.collect(), line: 2 }
        };
        let manifests = parse("f", writer.text.as_bytes());
        let manifests = manifests.unwrap_or_else(|errors| panic!("{}\n{errors:#?}", writer.text));
        prop_assert_eq!(&manifests[0].tree, &tree, "{}", writer.text);
        compare(&manifests[0].positions, &lines, json);
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Err(errors) = parse("f", &bytes) {
            prop_assert!(!errors.is_empty());
        }
    }

    #[test]
    fn no_text_makes_it_panic(text in "([\\[\\]{}:,&*!|>'\"%@`#?\\-\\n \tab0<~.\u{e9}\u{2028}]|\n---\n|: |- |&a |\\*a |<<: ){0,60}") {
        for text in [text.clone(), format!("{{{text}"), format!("{HEAD}{text}")] {
            if let Ok(manifests) = parse("f", text.as_bytes()) {
                for manifest in manifests {
                    let _ = manifest.locate(&text);
                }
            }
        }
    }

    #[test]
    fn no_path_makes_it_panic(path in "[a-c.\\[\\]\"0-2\u{e9}]{0,12}") {
        let text = format!("{HEAD}a: {{b: [{{c: 1}}], 'b.c': 1, '': 2}}\n");
        let _ = parse("f", text.as_bytes()).unwrap()[0].locate(&path);
    }
}
