//! Manifest files: YAML and JSON text to objects that still know where each of their fields stands in the file.
//!
//! Not validation: beyond `apiVersion`, `kind` and a name, nothing is required and no field is known. Not a YAML library
//! either: text means what it means to `kubectl` (`sigs.k8s.io/yaml` over `go.yaml.in/yaml/v2`), so `yes` is a boolean and
//! `0644` is 420. The invariants: no input makes it panic or recurse deeper than [`MAX_DEPTH`], and a document and all
//! its aliases together stay in proportion to [`MAX_DOCUMENT_BYTES`].
//!
//! Where it differs from `kubectl` on purpose: a duplicate key is an error (as it is to an API server), an explicit key wins
//! over a merged one (`<<`) in whatever order they stand, and `!!binary` keeps its text.
//!
//! ```
//! use orch_api::manifest;
//!
//! let text = "apiVersion: v1\nkind: Pod\nmetadata:\n  name: web\nspec:\n  containers:\n  - name: a\n    image: b\n";
//! let manifests = manifest::parse("web.yaml", text.as_bytes()).expect("a manifest");
//! assert_eq!(manifests[0].tree["spec"]["containers"][0]["image"], "b");
//! let at = manifests[0].locate("spec.containers[0].image").expect("a path");
//! assert_eq!((at.line, at.column), (8, 5));
//! ```

mod build;
mod collect;
mod error;
mod json;
mod positions;
mod scalar;
mod yaml;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json::Value;

pub use error::{Error, Reason};
pub use positions::Position;

use positions::Node;

/// Bytes of a document at most: what a Kubernetes API server accepts as the body of a request.
pub const MAX_DOCUMENT_BYTES: usize = 3 * 1024 * 1024;

/// Levels of nesting at most: deeper than any kind, shallow enough for recursion on a small stack.
pub const MAX_DEPTH: usize = 120;

/// Errors reported at most for one file; whoever has more fixes these first.
pub const MAX_ERRORS: usize = 100;

/// One object of a manifest file.
#[derive(Clone, Debug)]
pub struct Manifest {
    /// The object. It has a non-empty `apiVersion` and `kind`, and a name (or a prefix of one) if its kind needs it.
    pub tree: Value,
    /// The file as the caller named it.
    pub source: Arc<str>,
    /// The document in the file, counted from 0, empty documents included. Items of a list share theirs.
    pub document: usize,
    /// The line on which the object begins, counted from 1.
    pub line: u32,
    positions: Node,
}

impl Manifest {
    /// Where the field at `path` stands: its key, or the beginning of an array's element.
    ///
    /// The path is written as in Kubernetes' messages: `spec.template.spec.containers[0].image`. A key with dots may stand
    /// in brackets (`metadata.labels[app.kubernetes.io/name]`) or as it is; then the longest key that fits counts. For a
    /// field that is not there it is the nearest ancestor that is, at last the object itself; for a field that came from an
    /// alias, the text of the anchor. `None` if the path is malformed.
    #[must_use]
    pub fn locate(&self, path: &str) -> Option<Position> {
        self.positions.locate(path)
    }
}

/// Reads a file of YAML documents, of JSON documents one after another, or of JSON documents separated as in YAML.
///
/// Empty documents are skipped; the `items` of a list (`kind: List`, `PodList`, ...) become manifests of their own.
/// Numbers are taken as `kubectl` sends them: one without a fraction is an integer, however it was written.
///
/// # Errors
///
/// Everything wrong with the file, at most [`MAX_ERRORS`], in the order of the lines; never empty. Nothing of a file with
/// an error is returned.
///
/// ```
/// let text = b"apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  name: b\n";
/// let errors = orch_api::manifest::parse("web.yaml", text).unwrap_err();
/// assert_eq!(errors[0].to_string(), r#"web.yaml:5:3: duplicate key "name", first on line 4"#);
/// assert_eq!(errors[0].field.as_deref(), Some("metadata.name"));
/// ```
pub fn parse(source: &str, text: &[u8]) -> Result<Vec<Manifest>, Vec<Error>> {
    let source: Arc<str> = Arc::from(source);
    let mut errors = error::Errors::new(Arc::clone(&source));
    let documents = match std::str::from_utf8(text) {
        Ok(text) => documents(text.strip_prefix('\u{feff}').unwrap_or(text), &mut errors),
        Err(error) => {
            let valid = &text[..error.valid_up_to()];
            errors.push(Position::after(&String::from_utf8_lossy(valid)), None, Reason::NotUtf8);
            Vec::new()
        }
    };
    let mut manifests = Vec::new();
    for document in documents {
        collect::collect(document, &source, &mut manifests, &mut errors);
    }
    errors.or(manifests)
}

/// Reads one document of YAML as a tree, whatever it is; an empty one is `null`. Of keys that stand twice the last one counts;
/// they stand beside the tree.
///
/// # Errors
///
/// As [`parse`], but for keys that stand twice.
#[cfg(any(feature = "rest", feature = "remote"))]
pub(crate) fn document(text: &[u8]) -> Result<(Value, Vec<Error>), Vec<Error>> {
    let mut errors = error::Errors::new(Arc::from("body"));
    let text = String::from_utf8_lossy(text);
    let mut documents = yaml::documents(&text, &mut errors);
    let tree = if documents.is_empty() { Value::Null } else { documents.swap_remove(0).root.value };
    errors.loosely(tree)
}

fn documents(text: &str, errors: &mut error::Errors) -> Vec<build::Document> {
    // As `k8s.io/apimachinery/pkg/util/yaml` guesses.
    let Some(object) = text.trim_start().strip_prefix('{') else { return yaml::documents(text, errors) };
    let mut as_json = errors.fresh();
    let documents = json::documents(text, &mut as_json);
    // It may still be YAML in flow style, or JSON documents separated by `---`. What begins with a quoted key and
    // breaks in the first document was meant as JSON, and is better told what is wrong with it as JSON.
    let maybe_yaml = !documents.is_empty() || !object.trim_start().starts_with('"');
    if as_json.is_syntax() && maybe_yaml {
        let mut as_yaml = errors.fresh();
        let documents = yaml::documents(text, &mut as_yaml);
        if !as_yaml.is_syntax() {
            errors.append(as_yaml);
            return documents;
        }
    }
    errors.append(as_json);
    documents
}
