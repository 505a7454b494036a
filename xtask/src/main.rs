//! Generates the tables that stand in the tree of orch.
//!
//! Not part of any library or of the build: a person runs it when the Kubernetes version that orch reports changes,
//! and commits what it wrote. The same input always gives the same bytes.
//!
//! ```text
//! pip download --no-deps --dest /tmp/kv kubernetes-validate==1.37.0
//! unzip -q /tmp/kv/kubernetes_validate-*.whl -d /tmp/kv
//! cargo run -p xtask -- schema \
//!     /tmp/kv/kubernetes_validate/kubernetes-json-schema/v1.36.0-local/_definitions.json
//! ```

mod descriptions;
mod protobuf;
mod schema;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "usage: cargo run -p xtask -- schema <_definitions.json> [<output>]

Writes orch-api/src/schema/table.bin, and unless another output is named orch-api/src/rest/openapi/descriptions.gz, from the Kubernetes definitions of the PyPI package
kubernetes-validate (Apache-2.0):

  pip download --no-deps --dest /tmp/kv kubernetes-validate==1.37.0
  unzip -q /tmp/kv/kubernetes_validate-*.whl -d /tmp/kv

The file is /tmp/kv/kubernetes_validate/kubernetes-json-schema/v1.36.0-local/_definitions.json.
It is an input only and is not committed.

       cargo run -p xtask -- protobuf <directory>

Writes orch-api/src/rest/protobuf/table.txt from the Go types below a directory that has checkouts of the
repositories kubernetes/api, kubernetes/apimachinery, kubernetes/apiextensions-apiserver and
kubernetes/kube-aggregator (Apache-2.0).";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["schema", definitions] => write_schema(Path::new(definitions), &default_output())
            .and_then(|types| Ok(format!("{types}\n{}", write_descriptions(Path::new(definitions))?))),
        ["schema", definitions, output] => write_schema(Path::new(definitions), Path::new(output)),
        ["protobuf", root] => write_protobuf(Path::new(root)),
        _ => Err(USAGE.to_owned()),
    };
    let (stream, code): (&mut dyn Write, _) = match outcome {
        Ok(_) => (&mut std::io::stdout(), ExitCode::SUCCESS),
        Err(_) => (&mut std::io::stderr(), ExitCode::FAILURE),
    };
    let message = outcome.unwrap_or_else(|error| error);
    // A closed terminal is no reason to fail: the table is already written.
    let _ = writeln!(stream, "{message}");
    code
}

fn default_output() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../orch-api/src/schema/table.bin")
}

fn write_protobuf(root: &Path) -> Result<String, String> {
    let table = protobuf::table(root)?;
    let output = Path::new(env!("CARGO_MANIFEST_DIR")).join("../orch-api/src/rest/protobuf/table.txt");
    std::fs::write(&output, &table).map_err(|error| format!("{}: {error}", output.display()))?;
    Ok(format!("{}: {} types, {} bytes", output.display(), table.lines().count(), table.len()))
}

fn read(definitions: &Path) -> Result<serde_json::Value, String> {
    let text = std::fs::read(definitions).map_err(|error| format!("{}: {error}", definitions.display()))?;
    serde_json::from_slice(&text).map_err(|error| format!("{}: {error}", definitions.display()))
}

fn write_descriptions(definitions: &Path) -> Result<String, String> {
    let document = read(definitions)?;
    let (table, types) = descriptions::table(&document, &schema::Model::read(&document)?)?;
    let output = Path::new(env!("CARGO_MANIFEST_DIR")).join("../orch-api/src/rest/openapi/descriptions.gz");
    std::fs::write(&output, &table).map_err(|error| format!("{}: {error}", output.display()))?;
    Ok(format!("{}: {types} types, {} bytes", output.display(), table.len()))
}

fn write_schema(definitions: &Path, output: &Path) -> Result<String, String> {
    let document = read(definitions)?;
    let model = schema::Model::read(&document)?;
    let table = schema::encode(&model)?;
    std::fs::write(output, &table).map_err(|error| format!("{}: {error}", output.display()))?;
    Ok(format!(
        "{}: {} definitions, {} kinds, {} bytes",
        output.display(),
        model.definitions.len(),
        model.kinds.len(),
        table.len()
    ))
}
