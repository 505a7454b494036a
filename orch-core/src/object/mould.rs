//! Objects that are equal but for their names and for what the server gives each of them: made from one, without encoding.
//!
//! Not a template of Kubernetes: a mould knows bytes and where they differ. Invariant: an object that is cast says in its
//! header what its body says, as one that was encoded does.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;
use jiff::Timestamp;

use super::{Header, Object, Spans, encode, scan};
use crate::{Key, Revision, Str};

/// What makes further objects from one that was encoded.
///
/// ```
/// use orch_core::object::{Cast, Mould};
/// use orch_core::{Object, Registry, kind};
/// use serde_json::json;
/// let info = Registry::built_in().get(kind::PODS).unwrap();
/// let pod = |name: &str, uid: &str, volume: &str| json!({"metadata": {"name": name, "namespace": "shop", "uid": uid,
///     "creationTimestamp": "2026-01-02T03:04:05Z"}, "spec": {"volumes": [{"name": volume}], "hostname": "h"}});
/// let first = Object::encode(&info, &pod("a", "1-2", "v-1")).unwrap();
/// let mould = Mould::of(&first, Some(("v-1", 1))).unwrap();
/// let created = "2026-01-02T03:04:05Z".parse().unwrap();
/// let second = mould.cast(&Cast { name: "other", uid: "3-4", created, mark: "v-2", managed: None }).unwrap();
/// assert!(second.same_content(&Object::encode(&info, &pod("other", "3-4", "v-2")).unwrap()));
/// assert_eq!(second.key().to_string(), "pods/shop/other");
/// ```
#[derive(Clone)]
pub struct Mould {
    key: Key,
    header: Header,
    body: Box<[u8]>,
    spans: Spans,
    name: Range<usize>,
    uid: Range<usize>,
    created: Range<usize>,
    marks: Vec<Range<usize>>,
}

/// What one object has of its own.
#[derive(Clone, Debug)]
pub struct Cast<'c> {
    /// `metadata.name`.
    pub name: &'c str,
    /// `metadata.uid`, as long as that of the first object.
    pub uid: &'c str,
    /// `metadata.creationTimestamp`; what is below a second is cut off.
    pub created: Timestamp,
    /// What stands where the first object has its mark; as long as that. Not looked at without one.
    pub mark: &'c str,
    /// `metadata.managedFields` as JSON.
    pub managed: Option<Bytes>,
}

impl Mould {
    /// A mould of an object with a uid and a time of creation. `mark` is a text that stands so often in it as a whole string,
    /// and is another one in each object. `None` when something is not where it is looked for, or the time of creation stands
    /// elsewhere, too.
    #[must_use]
    pub fn of(object: &Object, mark: Option<(&str, usize)>) -> Option<Self> {
        let body = object.body();
        let metadata = object.inner.spans.wide().metadata;
        let field = |name: &str, value: &str| {
            let scan::Found::Value(range) = scan::find(&body[metadata.clone()], name) else { return None };
            // Within the quotes.
            let range = metadata.start + range.start + 1..metadata.start + range.end - 1;
            (&body[range.clone()] == value.as_bytes()).then_some(range)
        };
        let header = object.header();
        let created = text_of(header.created?);
        // Where else it stands, nobody knows whether it is the same by chance.
        if strings(body, &created).len() != 1 {
            return None;
        }
        let marks = match mark {
            Some((text, count)) => strings(body, text).into_iter().take(count + 1).collect(),
            None => Vec::new(),
        };
        if marks.len() != mark.map_or(0, |(_, count)| count) {
            return None;
        }
        Some(Self {
            name: field("name", &object.key().name)?,
            uid: field("uid", &header.uid)?,
            created: field("creationTimestamp", &created)?,
            key: object.key().clone(),
            header: header.clone(),
            body: body.into(),
            spans: object.inner.spans.wide(),
            marks,
        })
    }

    /// An object of its own name. `None` when the parts do not fit: another length, or a text that JSON would have to escape.
    #[must_use]
    pub fn cast(&self, cast: &Cast<'_>) -> Option<Object> {
        let created = Timestamp::from_second(cast.created.as_second()).ok()?;
        let created_text = text_of(created);
        let is_plain =
            |text: &str| text.bytes().all(|byte| matches!(byte, b' '..=b'~') && !b"\"\\".contains(&byte));
        let fits = cast.uid.len() == self.uid.len()
            && created_text.len() == self.created.len()
            && self.marks.iter().all(|mark| mark.len() == cast.mark.len())
            && !cast.name.is_empty()
            && [cast.name, cast.uid, cast.mark].into_iter().all(is_plain);
        if !fits {
            return None;
        }
        let moved = |at: usize| if at >= self.name.end { at - self.name.len() + cast.name.len() } else { at };
        let body = encode::exact(|out| {
            out.extend_from_slice(&self.body[..self.name.start]);
            out.extend_from_slice(cast.name.as_bytes());
            out.extend_from_slice(&self.body[self.name.end..]);
            let mut set = |range: &Range<usize>, text: &str| {
                out[moved(range.start)..moved(range.end)].copy_from_slice(text.as_bytes());
            };
            set(&self.uid, cast.uid);
            set(&self.created, &created_text);
            self.marks.iter().for_each(|mark| set(mark, cast.mark));
        });
        let moved = |range: &Range<usize>| moved(range.start)..moved(range.end);
        let Spans { metadata, spec, status } = &self.spans;
        let spans = Spans { metadata: moved(metadata), spec: moved(spec), status: moved(status) };
        let header = Header { uid: cast.uid.into(), created: Some(created), ..self.header.clone() };
        let key = Key { name: Str::from(cast.name), ..self.key.clone() };
        Object::new(Revision::ZERO, key, header, (body, &spans), cast.managed.clone()).ok()
    }
}

/// Never the body: it may hold secrets.
impl fmt::Debug for Mould {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "mould of {}", self.key)
    }
}

/// A time as bodies have it.
fn text_of(time: Timestamp) -> String {
    crate::rfc3339(time)
}

/// Where a text stands as a whole string, within the quotes.
fn strings(body: &[u8], text: &str) -> Vec<Range<usize>> {
    let quoted = format!("\"{text}\"");
    let found = body.windows(quoted.len()).enumerate().filter(|(_, window)| *window == quoted.as_bytes());
    found.map(|(at, _)| at + 1..at + 1 + text.len()).collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::object::Part;
    use crate::{Registry, kind};

    fn object(tree: &Value) -> Object {
        Object::encode(&Registry::built_in().get(kind::PODS).unwrap(), tree).unwrap()
    }

    fn pod(name: &str, uid: &str, created: &str, volume: &str, other: &str) -> Value {
        json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "uid": uid, "creationTimestamp": created,
                "annotations": {"creationTimestamp": other, "name": other, "uid": "u"}, "labels": {"app": name.len().to_string()}},
            "spec": {"nodeName": "n1", "hostname": other, "volumes": [{"name": volume}],
                "containers": [{"name": "c", "volumeMounts": [{"name": volume, "mountPath": other}]}]},
            "status": {"phase": "Pending"}})
    }

    const FIRST: &str = "2026-01-02T03:04:05Z";

    proptest! {
        #[test]
        fn what_is_cast_is_what_would_be_encoded(
            names in ("[a-z0-9.-]{1,40}", "[a-z0-9.-]{1,40}"),
            uids in ("[0-9a-f-]{36}", "[0-9a-f-]{36}"),
            volumes in ("vol-[a-z]{5}", "vol-[a-z]{5}"),
            second in 0..4_000_000_000_i64,
            other in "[a-z\"\\\\é\n/]{0,8}",
        ) {
            let created = Timestamp::from_second(second).unwrap();
            let first = pod(&names.0, &uids.0, FIRST, &volumes.0, &other);
            let mould = Mould::of(&object(&first), Some((&volumes.0, 2))).unwrap();
            let managed = Some(Bytes::from_static(b"[{}]"));
            let (name, uid, mark) = (&*names.1, &*uids.1, &*volumes.1);
            let cast = mould.cast(&Cast { name, uid, created, mark, managed: managed.clone() }).unwrap();
            let mut expected = pod(name, uid, &text_of(created), mark, &other);
            expected["metadata"]["labels"] = first["metadata"]["labels"].clone();
            let expected = object(&expected).with_managed_fields(managed);
            prop_assert_eq!(cast.body(), expected.body());
            prop_assert_eq!(cast.managed_fields(), expected.managed_fields());
            prop_assert_eq!(cast.header(), expected.header());
            prop_assert_eq!(cast.key(), expected.key());
            for part in [Part::Metadata, Part::Spec, Part::Status] {
                prop_assert_eq!(cast.part(part), expected.part(part));
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_not_cast() {
        let mould = Mould::of(&object(&pod("a", "u-1", FIRST, "v-1", "x")), Some(("v-1", 2))).unwrap();
        let created = FIRST.parse().unwrap();
        let fits = Cast { name: "b", uid: "u-2", created, mark: "v-2", managed: None };
        assert!(mould.cast(&fits).is_some());
        for cast in [
            Cast { name: "", ..fits.clone() },
            Cast { name: "a\"b", ..fits.clone() },
            Cast { uid: "u-10", ..fits.clone() },
            Cast { uid: "u\\n", ..fits.clone() },
            Cast { mark: "v-10", ..fits.clone() },
        ] {
            assert!(mould.cast(&cast).is_none(), "{cast:?}");
        }
    }

    #[test]
    fn a_mould_needs_everything_in_its_place() {
        let tree = pod("a", "u-1", FIRST, "v-1", "x");
        assert!(Mould::of(&object(&tree), Some(("v-1", 1))).is_none(), "it stands there once more");
        assert!(Mould::of(&object(&tree), Some(("v-1", 3))).is_none());
        assert!(Mould::of(&object(&tree), None).is_some());
        let mut bare = tree.clone();
        bare["metadata"].as_object_mut().unwrap().remove("creationTimestamp");
        assert!(Mould::of(&object(&bare), None).is_none());
        let mut often = tree.clone();
        often["status"]["startTime"] = FIRST.into();
        assert!(Mould::of(&object(&often), None).is_none(), "the time stands elsewhere, too");
        let mut odd = tree;
        odd["metadata"]["creationTimestamp"] = "2026-01-02T03:04:05.000Z".into();
        assert!(Mould::of(&object(&odd), None).is_none(), "not as the server writes it");
    }
}
