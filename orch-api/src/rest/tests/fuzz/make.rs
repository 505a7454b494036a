//! Requests from numbers: near enough to right ones that they get far, and wrong in one way or many.

use std::fmt;
use std::sync::OnceLock;

use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request};
use http_body_util::Full;
use orch_core::{KindInfo, Registry};
use serde_json::{Map, Value, json};

use super::super::super::protobuf::samples;

/// A request that may not even be one.
pub(super) struct Sent {
    method: Method,
    uri: String,
    headers: Vec<(&'static str, Vec<u8>)>,
    body: Vec<u8>,
}

impl Sent {
    /// As HTTP has it; `None` when no HTTP library would let it through.
    pub(super) fn request(&self) -> Option<Request<Full<Bytes>>> {
        let mut request = Request::builder().method(self.method.clone()).uri(&self.uri);
        for (name, value) in &self.headers {
            request = request.header(HeaderName::from_static(name), HeaderValue::from_bytes(value).ok()?);
        }
        request.body(Full::new(self.body.clone().into())).ok()
    }

    pub(super) fn is_watch(&self) -> bool {
        self.uri.contains("watch")
    }

    pub(super) fn is_head(&self) -> bool {
        self.method == Method::HEAD
    }

    pub(super) fn size(&self) -> usize {
        self.body.len() + self.uri.len() + self.headers.iter().map(|(_, value)| value.len()).sum::<usize>()
    }
}

impl fmt::Debug for Sent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.method, self.uri)?;
        for (name, value) in &self.headers {
            write!(f, " {name}: {:?}", String::from_utf8_lossy(value))?;
        }
        let body = &self.body[..self.body.len().min(4_000)];
        write!(f, " {:?} ({} bytes)", String::from_utf8_lossy(body), self.body.len())
    }
}

/// What was learnt from answers.
#[derive(Default)]
pub(super) struct Known {
    token: String,
    revision: String,
    uid: String,
    /// The last object that was answered.
    object: Value,
}

impl Known {
    pub(super) fn learn(&mut self, tree: &Value) {
        let text = |name: &str| tree["metadata"][name].as_str().unwrap_or_default().to_owned();
        if !text("continue").is_empty() {
            self.token = text("continue");
        }
        if !text("resourceVersion").is_empty() {
            self.revision = text("resourceVersion");
        }
        if !text("uid").is_empty() {
            self.uid = text("uid");
            self.object = tree.clone();
        }
    }
}

/// SplitMix64: each number follows from the first.
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).unwrap()
    }

    fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn pick<'a, T: ?Sized>(&mut self, from: &[&'a T]) -> &'a T {
        from[self.below(from.len())]
    }
}

const NAMES: [&str; 10] = ["a", "b", "web", "c.d", "default", "UPPER", "%2e%2e", "%C3%A9", "a%00b", "-"];
const NAMESPACES: [&str; 5] = ["default", "default", "default", "kube-system", "gone"];
const WORDS: [&str; 24] = [
    "",
    "a",
    "true",
    "null",
    "-1",
    "9223372036854775808",
    "1e400",
    "0.1",
    "10.0.0.1",
    "::1",
    "500m",
    "1Ei",
    "12E9",
    "*",
    "/",
    "..",
    "\u{0}",
    "\u{fffd}é\u{1f600}",
    "2026-01-02T03:04:05Z",
    "app in (a,b)",
    "=",
    "a=b,c!=d",
    "!x",
    "99999999-99-99T99:99:99Z",
];

/// The request of a number.
pub(super) fn request(seed: u64, known: &Known) -> Sent {
    let mut draw = Draw(seed);
    let kinds = kinds();
    let info = &kinds[draw.below(kinds.len())];
    let methods =
        ["GET", "GET", "POST", "POST", "POST", "PUT", "PATCH", "PATCH", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    let method = draw.pick(&methods);
    let (path, info) = path(&mut draw, info, method, known);
    let uri = format!("{path}{}", query(&mut draw, known));
    let uri = if uri.is_empty() || !uri.starts_with('/') { format!("/{uri}") } else { uri };
    let (media, body) = body(&mut draw, &info, method, known);
    let mut headers = vec![("content-type", media.as_bytes().to_vec())];
    headers.extend(more_headers(&mut draw));
    Sent { method: Method::from_bytes(method.as_bytes()).unwrap(), uri, headers, body }
}

fn kinds() -> &'static [KindInfo] {
    static KINDS: OnceLock<Vec<KindInfo>> = OnceLock::new();
    KINDS.get_or_init(|| Registry::built_in().kinds().iter().map(|info| KindInfo::clone(info)).collect())
}

fn path(draw: &mut Draw, info: &KindInfo, method: &str, known: &Known) -> (String, KindInfo) {
    if draw.one_in(12) {
        let paths = [
            "/",
            "/version",
            "/healthz",
            "/readyz/ping",
            "/livez?verbose",
            "/api",
            "/apis",
            "/apis/apps",
            "/apis/apps/v1",
            "/metrics",
            "/openapi/v3",
            "/openapi/v3/api/v1",
            "/openapi/v2",
            "/apis/nope/v1/x",
            "/api/v1/namespaces/default/pods/a/log",
            "/api/v1/namespaces/default/pods/a/exec?command=x",
            "/%",
            "/%zz/%C3",
            "//api//v1//pods",
            "/api/v1/watch/namespaces/a/pods",
            "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers",
            "/apis/events.k8s.io/v1/namespaces/default/events",
            "/api/v1/namespaces/default/serviceaccounts/default/token",
            "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews",
        ];
        return (draw.pick(&paths).to_owned(), info.clone());
    }
    // Often the object that was answered last.
    let metadata = &known.object["metadata"];
    let of_known = kinds().iter().find(|info| known.object["kind"] == *info.name && draw.one_in(2));
    let info = of_known.unwrap_or(info);
    let group = info.kind.group();
    let root = if group.is_empty() { "/api".to_owned() } else { format!("/apis/{group}") };
    let namespace = match metadata["namespace"].as_str().filter(|_| of_known.is_some()) {
        Some(namespace) => namespace.to_owned(),
        None => draw.pick(&NAMESPACES).to_owned(),
    };
    let mut path = format!("{root}/{}", info.versions[0]);
    if info.is_namespaced() && !draw.one_in(8) {
        path += &format!("/namespaces/{namespace}");
    }
    path += &format!("/{}", info.kind.resource());
    let is_named = method != "POST" && !draw.one_in(4) || draw.one_in(6);
    if is_named {
        let name = match metadata["name"].as_str().filter(|_| of_known.is_some()) {
            Some(name) => name.to_owned(),
            None => draw.pick(&NAMES).to_owned(),
        };
        path += &format!("/{name}");
        if draw.one_in(4) {
            let parts = [
                "status",
                "scale",
                "binding",
                "eviction",
                "finalize",
                "approval",
                "log",
                "x",
                "status/y",
                "ephemeralcontainers",
                "resize",
                "token",
            ];
            path += &format!("/{}", draw.pick(&parts));
        }
    }
    (path, info.clone())
}

fn query(draw: &mut Draw, known: &Known) -> String {
    let names = [
        "limit",
        "continue",
        "resourceVersion",
        "resourceVersionMatch",
        "watch",
        "timeoutSeconds",
        "allowWatchBookmarks",
        "sendInitialEvents",
        "labelSelector",
        "fieldSelector",
        "dryRun",
        "fieldManager",
        "fieldValidation",
        "force",
        "pretty",
        "gracePeriodSeconds",
        "propagationPolicy",
        "orphanDependents",
        "timeout",
        "exclude",
        "%zz",
    ];
    let mut pairs = Vec::new();
    while draw.one_in(2) && pairs.len() < 5 {
        let name = draw.pick(&names);
        let right = match name {
            "limit" => "1",
            "continue" => &known.token,
            "resourceVersion" => &known.revision,
            "resourceVersionMatch" => ["Exact", "NotOlderThan"][draw.below(2)],
            "watch" | "allowWatchBookmarks" | "sendInitialEvents" | "force" => {
                ["true", "false", "1"][draw.below(3)]
            }
            "timeoutSeconds" => "1",
            "labelSelector" => ["app%3Da", "app+in+(a,b),!c", "a%21%3Db"][draw.below(3)],
            "fieldSelector" => {
                ["metadata.name%3Da", "spec.nodeName%3D", "status.phase!%3DRunning"][draw.below(3)]
            }
            "dryRun" => "All",
            "fieldValidation" => ["Strict", "Warn", "Ignore"][draw.below(3)],
            "propagationPolicy" => ["Orphan", "Background", "Foreground"][draw.below(3)],
            "gracePeriodSeconds" => "0",
            _ => "a",
        };
        let value = if draw.one_in(4) { broken(draw, right) } else { right.to_owned() };
        pairs.push(format!("{name}={value}"));
    }
    if pairs.is_empty() { String::new() } else { format!("?{}", pairs.join("&")) }
}

/// A text with something wrong, as it can stand in a query.
fn broken(draw: &mut Draw, right: &str) -> String {
    let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
    match draw.below(4) {
        0 => escaped(draw.pick(&WORDS)),
        1 => "%FF%FE".to_owned(),
        2 => "x".repeat(draw.below(5_000)),
        _ => {
            let mut bytes = right.as_bytes().to_vec();
            if !bytes.is_empty() {
                let at = draw.below(bytes.len());
                bytes[at] = bytes[at].wrapping_add(1);
            }
            escaped(&String::from_utf8_lossy(&bytes))
        }
    }
}

fn more_headers(draw: &mut Draw) -> Vec<(&'static str, Vec<u8>)> {
    let accepts = [
        "application/json",
        "application/yaml",
        "application/vnd.kubernetes.protobuf",
        "application/vnd.kubernetes.protobuf,application/json",
        "application/json;as=Table;v=v1;g=meta.k8s.io,application/json",
        "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
        "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io",
        "application/yaml;as=Table;v=v1;g=meta.k8s.io",
        "*/*;q=0.1",
        "text/html",
        "application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList",
        ",;=,",
        "application/json;q=nan",
    ];
    let mut headers = Vec::new();
    if draw.one_in(2) {
        headers.push(("accept", draw.pick(&accepts).as_bytes().to_vec()));
    }
    if draw.one_in(3) {
        headers.push(("accept-encoding", b"gzip".to_vec()));
    }
    if draw.one_in(10) {
        let names = [
            "impersonate-user",
            "impersonate-group",
            "authorization",
            "user-agent",
            "content-encoding",
            "accept",
        ];
        let value: Vec<u8> = match draw.below(3) {
            0 => draw.pick(&WORDS).as_bytes().to_vec(),
            1 => (0..draw.below(40)).map(|_| 0x80 | u8::try_from(draw.below(0x80)).unwrap()).collect(),
            _ => vec![b'a'; draw.below(3_000)],
        };
        headers.push((draw.pick(&names), value));
    }
    headers
}

/// The media type and the bytes.
fn body(draw: &mut Draw, info: &KindInfo, method: &str, known: &Known) -> (&'static str, Vec<u8>) {
    let json = "application/json";
    if draw.one_in(10) {
        return (
            draw.pick(&[json, "application/yaml", "application/vnd.kubernetes.protobuf", "image/png", ""]),
            garbage(draw),
        );
    }
    match method {
        "GET" | "HEAD" | "OPTIONS" => (json, Vec::new()),
        "DELETE" => {
            let mut tree = json!({"kind": "DeleteOptions", "apiVersion": "v1", "gracePeriodSeconds": 0,
                "propagationPolicy": "Foreground", "preconditions": {"uid": known.uid}, "dryRun": ["All"]});
            mutate(draw, &mut tree);
            (json, if draw.one_in(2) { Vec::new() } else { tree.to_string().into_bytes() })
        }
        "PATCH" => patch(draw, info, known),
        _ if draw.one_in(4) => {
            let samples = samples::newest();
            let of_kind = samples.iter().find(|sample| sample.tree["kind"] == *info.name);
            let mut bytes = of_kind.unwrap_or(&samples[draw.below(samples.len())]).protobuf.clone();
            for _ in 0..draw.below(4) {
                let at = draw.below(bytes.len());
                bytes[at] = u8::try_from(draw.below(256)).unwrap();
            }
            if draw.one_in(4) {
                bytes.truncate(draw.below(bytes.len()));
            }
            ("application/vnd.kubernetes.protobuf", bytes)
        }
        _ => {
            let tree = object(draw, info, known);
            if draw.one_in(5) {
                let text = serde_saphyr::to_string(&tree).unwrap_or_default();
                return ("application/yaml", text.into_bytes());
            }
            let mut bytes = tree.to_string().into_bytes();
            if draw.one_in(8) {
                let at = draw.below(bytes.len());
                bytes[at] = u8::try_from(draw.below(256)).unwrap();
            }
            (json, bytes)
        }
    }
}

fn garbage(draw: &mut Draw) -> Vec<u8> {
    match draw.below(8) {
        0 => (0..draw.below(200)).map(|_| u8::try_from(draw.below(256)).unwrap()).collect(),
        1 => "[".repeat(draw.below(100_000)).into_bytes(),
        2 => "{\"a\":".repeat(draw.below(20_000)).into_bytes(),
        3 => "- ".repeat(draw.below(5_000)).into_bytes(),
        4 => b"a: &a [x]\nb: &b [*a,*a,*a,*a,*a,*a]\nc: &c [*b,*b,*b,*b,*b,*b]\nd: &d [*c,*c,*c,*c,*c,*c]\ne: [*d,*d,*d,*d,*d,*d]".to_vec(),
        5 => b"k8s\0\x0a\x0c\x0a\x02v1\x12\x03Pod\x12\xff\xff\xff\xff\xff\xff\xff\xff\x7f".to_vec(),
        6 => b"{\"metadata\":{\"name\":\"\\ud800\",\"name\":\"b\"},\"metadata\":1e999}".to_vec(),
        _ => vec![b' '; draw.below(4 << 20)],
    }
}

/// An object of the kind: the one answered last, one that is right, or one that says something in every field.
fn object(draw: &mut Draw, info: &KindInfo, known: &Known) -> Value {
    let is_known = known.object["kind"] == *info.name;
    let mut tree = match draw.below(3) {
        0 if is_known => known.object.clone(),
        1 => right(&info.name),
        _ => {
            let found = samples::newest().iter().find(|sample| sample.tree["kind"] == *info.name);
            let mut tree = found.map_or_else(|| right(&info.name), |sample| sample.tree.clone());
            tree["metadata"] = json!({"name": draw.pick(&["a", "b", "web"])});
            let keep = 2 + draw.below(6);
            prune(draw, &mut tree, keep, 0);
            tree
        }
    };
    if draw.one_in(6) {
        tree["metadata"]["generateName"] = json!("g-");
        tree["metadata"]["name"] = Value::Null;
    }
    for _ in 0..draw.below(3) {
        mutate(draw, &mut tree);
    }
    tree
}

/// A small object that is taken as it is, for the kinds that much depends on.
fn right(kind: &str) -> Value {
    let containers = json!([{"name": "c", "image": "nginx:1"}]);
    let template = json!({"metadata": {"labels": {"app": "a"}}, "spec": {"containers": containers, "restartPolicy": "Always"}});
    let mut tree = match kind {
        "Pod" => json!({"spec": {"containers": containers}}),
        "Deployment" | "ReplicaSet" | "StatefulSet" | "DaemonSet" => {
            json!({"spec": {"selector": {"matchLabels": {"app": "a"}}, "template": template}})
        }
        "Job" => {
            json!({"spec": {"template": {"spec": {"containers": containers, "restartPolicy": "Never"}}}})
        }
        "Service" => json!({"spec": {"selector": {"app": "a"}, "ports": [{"port": 80, "name": "http"}]}}),
        "Secret" => json!({"stringData": {"a": "b"}}),
        "HorizontalPodAutoscaler" => {
            json!({"spec": {"maxReplicas": 3, "scaleTargetRef": {"kind": "Deployment", "name": "a"}}})
        }
        "PersistentVolumeClaim" => {
            json!({"spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}})
        }
        _ => json!({"data": {"a": "b"}}),
    };
    tree["metadata"] = json!({"name": "a", "labels": {"app": "a"}});
    tree
}

/// Leaves fields out, each with a chance of one in `keep`.
fn prune(draw: &mut Draw, tree: &mut Value, keep: usize, depth: usize) {
    match tree {
        Value::Object(fields) => {
            fields.retain(|name, _| depth == 0 && name == "metadata" || !draw.one_in(keep));
            fields.values_mut().for_each(|field| prune(draw, field, keep, depth + 1));
        }
        Value::Array(items) => items.iter_mut().for_each(|item| prune(draw, item, keep, depth + 1)),
        _ => {}
    }
}

/// Puts something else somewhere.
fn mutate(draw: &mut Draw, at: &mut Value) {
    if !draw.one_in(4) {
        match at {
            Value::Object(fields) if !fields.is_empty() => {
                let step = draw.below(fields.len());
                return mutate(draw, fields.values_mut().nth(step).unwrap());
            }
            Value::Array(items) if !items.is_empty() => {
                let step = draw.below(items.len());
                return mutate(draw, &mut items[step]);
            }
            _ => {}
        }
    }
    *at = match draw.below(9) {
        0 => Value::Null,
        1 => json!(i64::MIN),
        2 => json!(u64::MAX),
        3 => json!(-0.5),
        4 => json!([at.clone(), at.clone()]),
        5 => json!({"a": at.clone(), "$patch": "replace"}),
        6 => json!("x".repeat(draw.below(2_000))),
        7 => (0..draw.below(40)).fold(at.clone(), |inner, _| json!([inner])),
        _ => json!(draw.pick(&WORDS)),
    };
}

/// Paths of the fields of an object, as JSON patches write them.
fn pointers(tree: &Value, path: &str, out: &mut Vec<String>) {
    out.push(path.to_owned());
    match tree {
        Value::Object(fields) => {
            for (name, field) in fields {
                pointers(field, &format!("{path}/{}", name.replace('~', "~0").replace('/', "~1")), out);
            }
        }
        Value::Array(items) => {
            for (at, item) in items.iter().enumerate() {
                pointers(item, &format!("{path}/{at}"), out);
            }
            out.push(format!("{path}/-"));
        }
        _ => {}
    }
}

fn patch(draw: &mut Draw, info: &KindInfo, known: &Known) -> (&'static str, Vec<u8>) {
    let mut tree = object(draw, info, known);
    match draw.below(4) {
        0 => {
            let mut places = Vec::new();
            pointers(&known.object, "", &mut places);
            places.push("/nope/x".to_owned());
            let operations = (0..draw.below(6)).map(|_| {
                let operation = draw.pick(&["add", "replace", "remove", "move", "copy", "test", "x"]);
                let (path, from) =
                    (places[draw.below(places.len())].clone(), places[draw.below(places.len())].clone());
                let mut value = tree["metadata"].clone();
                mutate(draw, &mut value);
                json!({"op": operation, "path": path, "from": from, "value": value})
            });
            let mut operations = Value::Array(operations.collect());
            if draw.one_in(4) {
                mutate(draw, &mut operations);
            }
            ("application/json-patch+json", operations.to_string().into_bytes())
        }
        1 => ("application/merge-patch+json", tree.to_string().into_bytes()),
        2 => {
            direct(draw, &mut tree);
            ("application/strategic-merge-patch+json", tree.to_string().into_bytes())
        }
        _ => {
            let group = info.kind.group();
            let version = &info.versions[0];
            let api_version =
                if group.is_empty() { version.to_string() } else { format!("{group}/{version}") };
            if let Some(fields) = tree.as_object_mut() {
                fields.insert("apiVersion".into(), api_version.into());
                fields.insert("kind".into(), (*info.name).into());
                if let Some(metadata) = fields.get_mut("metadata").and_then(Value::as_object_mut) {
                    metadata.remove("managedFields");
                }
            }
            ("application/apply-patch+yaml", tree.to_string().into_bytes())
        }
    }
}

/// Adds directives of strategic merge patches here and there.
fn direct(draw: &mut Draw, tree: &mut Value) {
    match tree {
        Value::Object(fields) => {
            fields.values_mut().for_each(|field| direct(draw, field));
            let lists: Vec<String> =
                fields.iter().filter(|(_, field)| field.is_array()).map(|(name, _)| name.clone()).collect();
            for list in lists {
                if draw.one_in(3) {
                    let name =
                        format!("{}{list}", draw.pick(&["$setElementOrder/", "$deleteFromPrimitiveList/"]));
                    let mut value = fields[&list].clone();
                    if draw.one_in(3) {
                        mutate(draw, &mut value);
                    }
                    fields.insert(name, value);
                }
            }
            more_directives(draw, fields);
        }
        Value::Array(items) => items.iter_mut().for_each(|item| direct(draw, item)),
        _ => {}
    }
}

fn more_directives(draw: &mut Draw, fields: &mut Map<String, Value>) {
    if draw.one_in(8) {
        fields.insert("$patch".into(), draw.pick(&["delete", "replace", "merge", "x", ""]).into());
    }
    if draw.one_in(8) {
        let names: Vec<String> = fields.keys().take(draw.below(4)).cloned().collect();
        fields.insert("$retainKeys".into(), if draw.one_in(4) { json!(7) } else { json!(names) });
    }
}
