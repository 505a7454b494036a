//! `$(VAR)` in environment, command and arguments (`third_party/forked/golang/expansion/expand.go`).
//!
//! `$$` is a literal `$`, an unknown reference stays as it is written, and what is put in is not expanded again.

/// The text with every known reference replaced.
pub(super) fn expand<'a>(text: &str, lookup: impl Fn(&str) -> Option<&'a str>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        let (before, from) = rest.split_at(at);
        out.push_str(before);
        let after = &from[1..];
        rest = match after.chars().next() {
            None => {
                out.push('$');
                after
            }
            Some('$') => {
                out.push('$');
                &after[1..]
            }
            Some('(') => match after.find(')') {
                Some(close) => {
                    let name = &after[1..close];
                    match lookup(name) {
                        Some(value) => out.push_str(value),
                        None => out.push_str(&from[..close + 2]),
                    }
                    &after[close + 1..]
                }
                None => {
                    out.push_str("$(");
                    &after[1..]
                }
            },
            Some(other) => {
                out.push('$');
                out.push(other);
                &after[other.len_utf8()..]
            }
        };
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let lookup = |name: &str| match name {
            "A" => Some("one"),
            "B" => Some("$(A)"),
            "EMPTY" => Some(""),
            "" => Some("blank"),
            _ => None,
        };
        assert_eq!(expand(text, lookup), expected);
    }

    #[test]
    fn references_expand_as_kubernetes_expands_them() {
        check("", "");
        check("plain", "plain");
        check("$(A)", "one");
        check("a$(A)b$(A)c", "aoneboneC".to_lowercase().as_str());
        check("$(B)", "$(A)");
        check("$(EMPTY)", "");
        check("$()", "blank");
        check("$(UNKNOWN)", "$(UNKNOWN)");
        check("$$(A)", "$(A)");
        check("$$$(A)", "$one");
        check("$$$$(A)", "$$(A)");
        check("$", "$");
        check("a$", "a$");
        check("$(A", "$(A");
        check("$((A))", "$((A))");
        check("$A $é", "$A $é");
        check("$(A)$", "one$");
        check("$(a$(A))", "$(a$(A))");
    }

    proptest! {
        #[test]
        fn text_without_a_dollar_stays(text in "[^$]{0,40}") {
            prop_assert_eq!(expand(&text, |_| Some("x")), text);
        }

        #[test]
        fn escaping_every_dollar_gives_the_text_back(text in any::<String>()) {
            prop_assert_eq!(expand(&text.replace('$', "$$"), |_| Some("x")), text);
        }

        #[test]
        fn nothing_known_loses_only_escapes(text in any::<String>()) {
            let expanded = expand(&text, |_| None);
            prop_assert!(expanded.len() <= text.len());
            if !text.contains("$$") {
                prop_assert_eq!(expanded, text);
            }
        }
    }
}
