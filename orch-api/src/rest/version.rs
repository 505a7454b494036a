//! `/version`: the version whose behaviour is served.

use http::Response;
use serde_json::json;

use super::body::{self, Body};
use super::negotiate::Encoding;

/// The release whose API this is.
pub(super) const GIT_VERSION: &str = "v1.36.2";

pub(super) fn answer() -> Response<Body> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    let arch = match arch {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    };
    let tree = json!({"major": "1", "minor": "36", "emulationMajor": "1", "emulationMinor": "36",
        "minCompatibilityMajor": "1", "minCompatibilityMinor": "35", "gitVersion": GIT_VERSION, "gitCommit": "",
        "gitTreeState": "clean", "buildDate": "1970-01-01T00:00:00Z", "goVersion": "", "compiler": "rustc",
        "platform": format!("{os}/{arch}")});
    body::tree(200, Encoding::Json, &tree)
}
