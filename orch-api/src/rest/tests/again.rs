//! Bodies that come again mean what they mean alone.

use proptest::prelude::*;

use super::*;

/// Bodies with a place for a word, which is mostly the name.
const FORMS: [&str; 14] = [
    r#"{"apiVersion":"v1","kind":"Pod","metadata":{"name":"WORD","labels":{"a":"b"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
    r#"{ "spec": {"containers": [{"image": "i", "name": "c", "resources": {"limits": {"memory": "100m"}}}]},
        "metadata": {"name": "WORD", "namespace": "default"}, "kind": "Pod" }"#,
    r#"{"metadata":{"name":"WORD","labels":{"app":"WORD"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
    r#"{"metadata":{"name":"one","labels":{"WORD":"x"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
    r#"{"metadata":{"name":"\u006fne","labels":{"WORD":"x"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
    r#"{"metadata":{"name":"\u0057ORD"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
    r#"{"metadata":{"name":"WORD"},"spec":{"containers":[{"name":"WORD","image":"i"}]}}"#,
    r#"{"metadata":{"generateName":"web-","annotations":{"a":"WORD"}},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
    r#"{"metadata":{"generateName":"web-"},"spec":{"containers":[{"name":"c","image":"i"}],"tolerations":[]}}"#,
    r#"{"metadata":{"name":"WORD","name":"WORD"},"spec":{"containers":[{"name":"c","image":"i"}]}}"#,
    r#"{"metadata":{"name":"WORD"},"spec":{"containers":[{"name":"c","image":"i","imgae":"x"}]}}"#,
    r#"{"metadata":{"name":"WORD"},"spec":{"containers":[{"name":"c","image":"i"}],"nodeName":7}}"#,
    r#"{"metadata":{"name":"WORD"},"spec":{"containers":[{"name":"c","image":"i"}],
        "hostAliases":[{"ip":"010.0.0.1"}],"schedulingGates":[{"name":"g"}]}}"#,
    r#"{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"WORD"}}"#,
];

const WORDS: [&str; 8] = [
    "one",
    "two",
    "three-3",
    "a.b",
    "Upper",
    "",
    "sixty-three-characters-are-as-many-as-a-label-may-have-and-more-x",
    "q\\\"q",
];

const QUERIES: [&str; 6] = [
    "",
    "?fieldManager=me",
    "?dryRun=All",
    "?fieldValidation=Strict",
    "?fieldValidation=Ignore",
    "?fieldManager=you",
];

#[derive(Clone, Debug)]
struct Sent {
    form: usize,
    word: String,
    query: usize,
    namespace: &'static str,
    media: &'static str,
}

/// Mostly names that were not there before.
fn word() -> impl Strategy<Value = String> {
    prop_oneof![4 => "[p-r][0-9]", 1 => prop::sample::select(&WORDS[..]).prop_map(str::to_owned)]
}

fn sent() -> impl Strategy<Value = Sent> {
    let namespace = prop_oneof![9 => Just("default"), 1 => Just("kube-system"), 1 => Just("nowhere")];
    let media = prop_oneof![9 => Just("application/json"), 1 => Just("application/yaml")];
    let query = prop_oneof![5 => Just(0_usize), 5 => 1..QUERIES.len()];
    (0..FORMS.len(), word(), query, namespace, media).prop_map(|(form, word, query, namespace, media)| Sent {
        form,
        word,
        query,
        namespace,
        media,
    })
}

/// A range of limits that makes pods without limits such that there is something to say of them, while it is there.
async fn turn_limits(server: &Server) {
    let ranges = "/api/v1/namespaces/default/limitranges";
    let range = json!({"metadata": {"name": "r"}, "spec": {"limits": [{"type": "Container", "default": {"memory": "100m"}}]}});
    if server.post(ranges, range).await.code == 409 {
        server.delete(&format!("{ranges}/r"), None).await.expect(200);
    }
}

/// What came of the requests; `are_alone`: no two bodies are of one form.
fn play(all: &[Sent], are_alone: bool) -> Vec<String> {
    let mut told = Vec::new();
    let out = &mut told;
    with(|server| async move {
        let account = |namespace: &str| {
            (
                format!("/api/v1/namespaces/{namespace}/serviceaccounts"),
                json!({"metadata": {"name": "default"}}),
            )
        };
        for (path, account) in ["default", "kube-system"].map(account) {
            server.post(&path, account).await;
        }
        for (at, sent) in all.iter().enumerate() {
            if sent.word == "r0" || sent.word == "q0" {
                turn_limits(&server).await;
            }
            let body = FORMS[sent.form].replace("WORD", &sent.word);
            let body = if are_alone { body + &" ".repeat(at + 1) } else { body };
            let path = format!("/api/v1/namespaces/{}/pods{}", sent.namespace, QUERIES[sent.query]);
            let Answer { code, headers, raw, .. } =
                server.send(Method::POST, &path, &[("content-type", sent.media)], body).await;
            out.push(format!("{code} {headers:?} {raw}"));
        }
        let listed = server.get("/api/v1/pods").await;
        out.push(listed.raw);
    });
    told
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn bodies_that_come_again_mean_what_they_mean_alone(all in prop::collection::vec(sent(), 1..40)) {
        prop_assert_eq!(play(&all, false), play(&all, true));
    }

    #[test]
    fn so_do_many_of_few_forms(forms in prop::collection::vec(0..FORMS.len(), 1..3), words in prop::collection::vec((word(), 0..2_usize), 1..60)) {
        let of = |(at, (word, query)): (usize, &(String, usize))| {
            let (form, word) = (forms[at % forms.len()], word.clone());
            Sent { form, word, query: *query, namespace: "default", media: "application/json" }
        };
        let all: Vec<Sent> = words.iter().enumerate().map(of).collect();
        prop_assert_eq!(play(&all, false), play(&all, true));
    }
}

#[test]
fn a_form_is_known_when_its_second_body_came() {
    with(|server| async move {
        let known = |server: &Server| server.rest.again().known();
        let send = async |form: usize, name: &str| {
            let body = FORMS[form].replace("WORD", name);
            server.send(Method::POST, PODS, &[], body).await
        };
        for (at, (form, name, expected)) in [
            (0, "pa", 0),
            (0, "pa", 0),
            (0, "pb", 1),
            (0, "pc", 1),
            // Nobody knows where the name is.
            (2, "pd", 1),
            (2, "pe", 1),
            // A fault.
            (10, "pf", 1),
            (10, "pg", 1),
            // The server makes the names.
            (8, "", 1),
            (8, "", 2),
            (8, "", 2),
        ]
        .into_iter()
        .enumerate()
        {
            let answer = send(form, name).await;
            assert_eq!(answer.code, if at == 1 { 409 } else { 201 }, "{}", answer.raw);
            assert_eq!(known(&server), expected, "{at}");
        }
        let warned = send(1, "ph").await;
        for name in ["pi", "pj", "pk"] {
            let again = send(1, name).await;
            assert!(again.headers["warning"].to_str().unwrap().contains("fractional byte value"));
            assert_eq!(again.headers["warning"], warned.headers["warning"]);
        }
        let large = FORMS[0].replace("\"b\"", &format!("\"{}\"", "b".repeat(9000)));
        for name in ["pl", "pm"] {
            server.send(Method::POST, PODS, &[], large.replace("WORD", name)).await;
        }
        assert_eq!(known(&server), 3, "large bodies are not kept");
        for at in 0..40 {
            let body = |name: &str| {
                FORMS[0].replace("WORD", &format!("{name}-{at}")).replace("\"b\"", &format!("\"{at}\""))
            };
            for name in ["pn", "po"] {
                server.send(Method::POST, PODS, &[], body(name)).await.expect(201);
            }
        }
        assert_eq!(known(&server), 16, "not more than so many");
    });
}
