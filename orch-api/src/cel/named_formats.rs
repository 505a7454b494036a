//! Formats of texts by their names: `format.dns1123Label()` (`apiserver/pkg/cel/library/format.go`).

use orch_core::names::{self, Validity};

use crate::custom::fits;
use crate::validate::without_trailing_dash;

/// A format that has a name.
#[derive(Debug)]
pub(crate) struct NamedFormat {
    name: &'static str,
    faults: fn(&str) -> Vec<String>,
}

impl PartialEq for NamedFormat {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl NamedFormat {
    /// What is wrong with a text; nothing when it is of the format.
    pub(super) fn faults(&self, text: &str) -> Vec<String> {
        (self.faults)(text)
    }
}

/// The format of that name.
pub(super) fn named(name: &str) -> Option<&'static NamedFormat> {
    ALL.iter().find(|format| format.name == name)
}

/// Whether there is a format of that name.
pub(super) fn is_named(name: &str) -> bool {
    named(name).is_some()
}

const ALL: &[NamedFormat] = &[
    NamedFormat { name: "dns1123Label", faults: |text| of(names::dns1123_label(text)) },
    NamedFormat { name: "dns1123Subdomain", faults: |text| of(names::dns1123_subdomain(text)) },
    NamedFormat { name: "dns1035Label", faults: |text| of(names::dns1035_label(text)) },
    NamedFormat { name: "qualifiedName", faults: |text| of(names::qualified_name(text)) },
    NamedFormat {
        name: "dns1123LabelPrefix",
        faults: |text| of(names::dns1123_label(&without_trailing_dash(text))),
    },
    NamedFormat {
        name: "dns1123SubdomainPrefix",
        faults: |text| of(names::dns1123_subdomain(&without_trailing_dash(text))),
    },
    NamedFormat {
        name: "dns1035LabelPrefix",
        faults: |text| of(names::dns1035_label(&without_trailing_dash(text))),
    },
    NamedFormat { name: "labelValue", faults: |text| of(names::label_value(text)) },
    NamedFormat { name: "uri", faults: |text| unless(fits("uri", text), "invalid URI for request") },
    NamedFormat { name: "uuid", faults: |text| unless(fits("uuid", text), "does not match the UUID format") },
    NamedFormat { name: "byte", faults: |text| unless(fits("byte", text), "invalid base64") },
    NamedFormat { name: "date", faults: |text| unless(fits("date", text), "invalid date") },
    NamedFormat { name: "datetime", faults: |text| unless(fits("datetime", text), "invalid datetime") },
];

fn of(validity: Validity) -> Vec<String> {
    validity.err().unwrap_or_default()
}

fn unless(is_valid: bool, why: &str) -> Vec<String> {
    if is_valid { Vec::new() } else { vec![why.to_owned()] }
}
