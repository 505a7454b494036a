//! The numbers of Kubernetes' fields in protobuf, read from the tags of its Go types.
//!
//! Not a Go parser: it knows the one form that `types.go` files have, a field a line. Output: a text, a type a line, sorted:
//! `io.k8s.api.core.v1.Volume 1:name 2(1:hostPath 2:emptyDir …)`. Brackets are a message whose fields stand in the outer
//! object in JSON. A `?` behind a name says that zero means absent.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};

/// How deep a message may stand in another one's place: none of Kubernetes' does twice.
const MAX_INLINE: usize = 4;

/// One field of a Go struct.
struct Field {
    number: u32,
    /// Empty for an embedded struct.
    name: String,
    /// The Go type without `*` and package.
    ty: String,
    zero_is_absent: bool,
}

/// Structs by package and name.
type Structs = BTreeMap<(String, String), Vec<Field>>;

/// The roots: a checkout's directory and the OpenAPI prefix of its packages.
const ROOTS: [(&str, &str, &str); 4] = [
    ("api", "", "io.k8s.api"),
    ("apimachinery", "pkg/apis", "io.k8s.apimachinery.pkg.apis"),
    ("apiextensions-apiserver", "pkg/apis", "io.k8s.apiextensions-apiserver.pkg.apis"),
    ("kube-aggregator", "pkg/apis", "io.k8s.kube-aggregator.pkg.apis"),
];

/// The table of the checkouts below `root`.
pub(crate) fn table(root: &Path) -> Result<String, String> {
    let mut structs = Structs::new();
    for (directory, below, prefix) in ROOTS {
        let base = root.join(directory).join(below);
        for group in directories(&base)? {
            for version in directories(&group)? {
                let last = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                let name = last(&version);
                let is_stable =
                    name.strip_prefix('v').is_some_and(|number| number.bytes().all(|b| b.is_ascii_digit()));
                if is_stable {
                    read(&version, &format!("{prefix}.{}.{name}", last(&group)), &mut structs)?;
                }
            }
        }
    }
    let mut out = String::new();
    for (package, name) in structs.keys() {
        let fields = written(&structs, package, name, 0)?;
        if !fields.is_empty() {
            let _ = writeln!(out, "{package}.{name} {fields}");
        }
    }
    Ok(out)
}

fn directories(path: &Path) -> Result<Vec<PathBuf>, String> {
    let entries = fs::read_dir(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut found: Vec<_> =
        entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
    found.sort();
    Ok(found)
}

fn read(directory: &Path, package: &str, structs: &mut Structs) -> Result<(), String> {
    let entries = fs::read_dir(directory).map_err(|error| format!("{}: {error}", directory.display()))?;
    let files = entries.flatten().map(|entry| entry.path());
    for file in files.filter(|path| path.extension().is_some_and(|extension| extension == "go")) {
        let is_generated = file.file_name().is_some_and(|name| name.to_string_lossy().contains("generated"));
        if is_generated {
            continue;
        }
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let mut current: Option<(String, Vec<Field>)> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("type ").and_then(|rest| rest.strip_suffix(" struct {")) {
                current = Some((name.to_owned(), Vec::new()));
            } else if line == "}" {
                if let Some((name, fields)) = current.take() {
                    structs.insert((package.to_owned(), name), fields);
                }
            } else if let Some((_, fields)) = &mut current {
                fields.extend(field(line));
            }
        }
    }
    Ok(())
}

/// `Name *Type `json:"name,omitempty" protobuf:"bytes,1,opt,name=name"``
fn field(line: &str) -> Option<Field> {
    let (declared, tags) = line.trim().split_once('`')?;
    let tag = |key: &str| {
        let (_, rest) = tags.split_once(&format!("{key}:\""))?;
        rest.split_once('"').map(|(value, _)| value)
    };
    let number = tag("protobuf")?.split(',').nth(1)?.parse().ok()?;
    let json = tag("json").unwrap_or_default();
    let name = json.split(',').next().unwrap_or_default().to_owned();
    let is_embedded = declared.split_whitespace().count() == 1;
    if name.is_empty() && !is_embedded {
        // Unions with an encoder of their own: whoever decodes knows them.
        return None;
    }
    let go_type = declared.split_whitespace().last()?;
    let is_pointer = go_type.starts_with('*');
    let ty = go_type.trim_start_matches('*').rsplit('.').next().unwrap_or_default().to_owned();
    Some(Field { number, name, ty, zero_is_absent: json.contains("omitempty") && !is_pointer })
}

fn written(structs: &Structs, package: &str, name: &str, depth: usize) -> Result<String, String> {
    if depth > MAX_INLINE {
        return Err(format!("{package}.{name} stands too deep in others"));
    }
    let Some(fields) = structs.get(&(package.to_owned(), name.to_owned())) else {
        return Err(format!("{package}.{name} is embedded and not there"));
    };
    let mut all = Vec::new();
    for field in fields {
        if field.name.is_empty() && field.ty == name {
            // A Go type of the same name in its own clothes: `Duration`.
            continue;
        }
        if field.name.is_empty() {
            // Embedded from the same package, or from the core one.
            let place = [package, "io.k8s.api.core.v1"]
                .into_iter()
                .find(|package| structs.contains_key(&((*package).to_owned(), field.ty.clone())))
                .unwrap_or(package);
            all.push(format!("{}({})", field.number, written(structs, place, &field.ty, depth + 1)?));
        } else {
            let absent = if field.zero_is_absent { "?" } else { "" };
            all.push(format!("{}:{}{absent}", field.number, field.name));
        }
    }
    Ok(all.join(" "))
}
