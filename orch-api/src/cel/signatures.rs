//! What functions take and answer with (`apiserver/pkg/cel/environment/base.go` says which there are).

use super::Fault;
use super::check::{Found, Ty, no_overload};
use super::parse::{Expr, Node};

pub(super) const QUANTITY: Ty<'static> = Ty::Plain("kubernetes.Quantity");
pub(super) const SEMVER: Ty<'static> = Ty::Plain("kubernetes.Semver");
pub(super) const FORMAT: Ty<'static> = Ty::Plain("kubernetes.NamedFormat");
/// Only expressions that make patches have it.
pub(super) const JSON_PATCH_LIBRARY: &str = "jsonpatch";
const URL: Ty<'static> = Ty::Plain("kubernetes.URL");
const IP: Ty<'static> = Ty::Plain("net.IP");
const CIDR: Ty<'static> = Ty::Plain("net.CIDR");
const INT: Ty<'static> = Ty::Plain("int");

/// The type of the answer of a function, given with its library: `sets.contains`. Of a method the first type is that of what
/// stands before the dot.
pub(super) fn called<'s>(name: &str, types: &[&Ty<'s>], is_method: bool, at: usize) -> Found<'s> {
    let Some(answer) = answer_of(name) else {
        let what = name.split('.').next().unwrap_or(name);
        return Err(Fault::new(at, format!("undeclared reference to '{what}' (in container '')")));
    };
    // What texts and sizes take is known well enough to refuse what cannot be.
    let refused = match (name, types) {
        ("size", [ty]) => ty.is_plain(&["int", "uint", "double", "bool"]) && !matches!(ty, Ty::Any),
        ("startsWith" | "endsWith" | "contains" | "matches", [text, part]) => {
            !text.is_plain(&["string"]) || !part.is_plain(&["string"])
        }
        _ => false,
    };
    if refused {
        return Err(no_overload(at, name, types));
    }
    Ok(match (name, types) {
        ("value" | "orValue", [Ty::Optional(inner), ..]) => (**inner).clone(),
        ("or", [optional @ Ty::Optional(_), ..]) => (*optional).clone(),
        ("optional.of" | "optional.ofNonZeroValue", [inner]) => Ty::Optional(Box::new((*inner).clone())),
        ("min" | "max" | "sum", [Ty::List(item)]) => (**item).clone(),
        ("reverse" | "distinct" | "slice" | "sort", [list @ Ty::List(_), ..]) => (*list).clone(),
        ("flatten", [Ty::List(inner)]) if matches!(**inner, Ty::List(_)) => (**inner).clone(),
        ("ip", [_]) if is_method => IP,
        _ => answer,
    })
}

/// The library that stands before the dot of a call, if it has that function; else what stands there is a value.
pub(super) fn library_of<'n>(target: Option<&'n Node>, name: &str) -> Option<&'n str> {
    let Expr::Name(library) = &target?.expr else { return None };
    let may_be = matches!(
        library.as_str(),
        "optional" | "sets" | "strings" | "ip" | "lists" | "format" | JSON_PATCH_LIBRARY
    );
    (may_be && answer_of(&format!("{library}.{name}")).is_some()).then_some(library)
}

/// What a function answers with; `None` when there is no such function.
fn answer_of(name: &str) -> Option<Ty<'static>> {
    Some(match name {
        "size" | "int" | "compareTo" | "sign" | "family" | "prefixLength" | "asInteger" | "indexOf"
        | "lastIndexOf" | "getFullYear" | "getMonth" | "getDayOfYear" | "getDayOfMonth" | "getDate"
        | "getDayOfWeek" | "getHours" | "getMinutes" | "getSeconds" | "getMilliseconds" | "major"
        | "minor" | "patch" => INT,
        "uint" => Ty::Plain("uint"),
        "double" | "asApproximateFloat" => Ty::Plain("double"),
        "bool"
        | "contains"
        | "startsWith"
        | "endsWith"
        | "matches"
        | "hasValue"
        | "isSorted"
        | "isQuantity"
        | "isInteger"
        | "isGreaterThan"
        | "isLessThan"
        | "isIP"
        | "isCIDR"
        | "isURL"
        | "containsIP"
        | "containsCIDR"
        | "isUnspecified"
        | "isLoopback"
        | "isLinkLocalUnicast"
        | "isLinkLocalMulticast"
        | "isGlobalUnicast"
        | "isSemver"
        | "sets.contains"
        | "sets.equivalent"
        | "sets.intersects"
        | "ip.isCanonical" => Ty::BOOL,
        "string" | "lowerAscii" | "upperAscii" | "trim" | "charAt" | "substring" | "replace" | "join"
        | "find" | "getScheme" | "getHost" | "getHostname" | "getPort" | "getEscapedPath" | "format" => {
            Ty::TEXT
        }
        "strings.quote" | "jsonpatch.escapeKey" => Ty::TEXT,
        "bytes" => Ty::Plain("bytes"),
        "timestamp" => Ty::Plain("timestamp"),
        "duration" => Ty::Plain("duration"),
        "split" | "findAll" => Ty::List(Box::new(Ty::TEXT)),
        "validate" => Ty::Optional(Box::new(Ty::List(Box::new(Ty::TEXT)))),
        "lists.range" => Ty::List(Box::new(INT)),
        "getQuery" => Ty::Map(Box::new(Ty::List(Box::new(Ty::TEXT)))),
        "quantity" | "add" | "sub" => QUANTITY,
        "semver" => SEMVER,
        "url" => URL,
        "ip" => IP,
        "cidr" | "masked" => CIDR,
        "format.named" => Ty::Optional(Box::new(FORMAT)),
        name if name.strip_prefix("format.").is_some_and(super::named_formats::is_named) => FORMAT,
        "allowed" | "errored" => Ty::BOOL,
        "reason" | "error" => Ty::TEXT,
        // Of who may do what, for policies.
        "path" | "group" | "serviceAccount" | "resource" | "subresource" | "namespace" | "name" | "check"
        | "fieldSelector" | "labelSelector" => Ty::Any,
        "type" | "dyn" | "value" | "orValue" | "or" | "min" | "max" | "sum" | "reverse" | "distinct"
        | "slice" | "flatten" | "sort" => Ty::Any,
        "optional.none" | "optional.of" | "optional.ofNonZeroValue" => Ty::Optional(Box::new(Ty::Any)),
        _ => return None,
    })
}
