//! What Kubernetes does with quantities, as tables; and what must hold for all of them.

use std::cmp::Ordering;
use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash, Hasher};

use proptest::prelude::*;

use super::{Format, ParseQuantityError, Quantity, normalize};

use Format::{BinarySi, DecimalExponent, DecimalSi};

fn quantity(text: &str) -> Quantity {
    text.parse().unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// `text` means `mantissa × 10^exponent` in `format`; so do `+text` and, negated, `-text`.
#[track_caller]
fn check_value(text: &str, mantissa: i64, exponent: i32, format: Format) {
    let expected = quantity(&format!("{mantissa}e{exponent}"));
    assert_eq!(quantity(text), expected, "{text}");
    assert_eq!(quantity(text).format(), format, "{text}");
    assert_eq!(quantity(&format!("+{text}")), expected, "+{text}");
    assert_eq!(quantity(&format!("-{text}")), -expected, "-{text}");
    assert_eq!(quantity(&format!("-{text}")).format(), format, "-{text}");
}

/// `text` is printed as `canonical`, and so is its negative.
#[track_caller]
fn check_printed(text: &str, canonical: &str) {
    assert_eq!(quantity(text).to_string(), canonical, "{text}");
    assert_eq!(quantity(canonical).to_string(), canonical);
    if canonical != "0" {
        assert_eq!((-quantity(text)).to_string(), format!("-{canonical}"), "-{text}");
    }
}

#[track_caller]
fn check_refused(text: &str, expected: &str) {
    let variant = match text.parse::<Quantity>() {
        Ok(quantity) => panic!("{text:?} is {quantity}"),
        Err(ParseQuantityError::Format { .. }) => "format",
        Err(ParseQuantityError::Numeric { .. }) => "numeric",
        Err(ParseQuantityError::Suffix { .. }) => "suffix",
    };
    assert_eq!(variant, expected, "{text:?}");
}

#[test]
fn suffixes_have_kubernetes_meaning() {
    for (text, format) in [("0", DecimalSi), ("0n", DecimalSi), ("0k", DecimalSi), ("0Ki", BinarySi)] {
        check_value(text, 0, 0, format);
    }
    for (suffix, exponent) in [
        ("n", -9),
        ("u", -6),
        ("m", -3),
        ("", 0),
        ("k", 3),
        ("M", 6),
        ("G", 9),
        ("T", 12),
        ("P", 15),
        ("E", 18),
    ] {
        check_value(&format!("7{suffix}"), 7, exponent, DecimalSi);
        check_value(&format!("1.25{suffix}"), 125, exponent - 2, DecimalSi);
    }
    for (suffix, shift) in [("Ki", 10), ("Mi", 20), ("Gi", 30), ("Ti", 40), ("Pi", 50), ("Ei", 60)] {
        check_value(&format!("7{suffix}"), 7 << shift, 0, BinarySi);
        check_value(&format!("0.5{suffix}"), 1 << (shift - 1), 0, BinarySi);
    }
}

#[test]
fn exponents_are_told_from_exa() {
    check_value("12E", 12, 18, DecimalSi);
    check_value("12E3", 12, 3, DecimalExponent);
    check_value("1E-3", 1, -3, DecimalExponent);
    check_value("1.3E+6", 13, 5, DecimalExponent);
    check_value("1e03", 1, 3, DecimalExponent);
    check_value("1.7E18", 17, 17, DecimalExponent);
    check_value("0.5e-2", 5, -3, DecimalExponent);
}

#[test]
fn odd_numbers_are_accepted() {
    check_value("100.035k", 100_035, 0, DecimalSi);
    check_value("6.987654321G", 6_987_654_321, 0, DecimalSi);
    check_value("0.0005k", 5, -1, DecimalSi);
    check_value(".0001k", 100, -3, DecimalSi);
    check_value("0.00500", 5, -3, DecimalSi);
    check_value("1.", 1, 0, DecimalSi);
    check_value("1.G", 1, 9, DecimalSi);
    check_value("007", 7, 0, DecimalSi);
    check_value("100.035Ki", 10_243_584, -2, BinarySi);
    check_value("0.05Gi", 536_870_912, -1, BinarySi);
    check_value("0.025Ti", 274_877_906_944, -1, BinarySi);
}

#[test]
fn what_is_finer_than_nano_is_rounded_away_from_zero() {
    check_value("3.001n", 4, -9, DecimalSi);
    check_value("1.1E-9", 2, -9, DecimalExponent);
    check_value("0.0000000001", 1, -9, DecimalSi);
    check_value("0.9n", 1, -9, DecimalSi);
    check_value("0.00000012345", 124, -9, DecimalSi);
    check_value("1e-1000", 1, -9, DecimalExponent);
    check_value("5e-2147483647", 1, -9, DecimalExponent);
    check_value("0.000000000001Ki", 2, -9, DecimalSi);
}

#[test]
fn binary_quantities_are_capped() {
    for text in
        ["8Ei", "9Ei", "9223372036854775807Ki", "9223372036854775808.5Ki", "99999999999999999999999999Ei"]
    {
        check_value(text, i64::MAX, 0, BinarySi);
    }
    // 7.99 × 2^60, which is no integer.
    assert_eq!(quantity("7.99Ei"), quantity("9211842821808707338.24"));
}

#[test]
fn more_digits_than_fit_are_rounded_away_from_zero() {
    let text = format!("{}1", "1".repeat(60));
    assert!(quantity(&text) > quantity(&format!("{}e24", "1".repeat(37))));
    assert!(quantity(&text) <= quantity(&format!("{}2e24", "1".repeat(36))));
    check_value(&format!("1{}k", "0".repeat(100)), 1, 103, DecimalSi);
    check_value(&format!("0.{}1", "0".repeat(1000)), 1, -9, DecimalSi);
}

#[test]
fn text_that_is_no_quantity_is_refused() {
    for text in ["", " 1", "1 ", "1.1.M", "1+1.0M", "0.1am", "aoeu", "1Ki2x", "一", "1é", "Non-Numeric"] {
        check_refused(text, "format");
    }
    for text in ["0.1mi", ".5i", "1i", "-3.01i", "-3.01e-", "1e", "1ee3", "1k3", "1K", "1ki", "1Mi5", "--1"] {
        check_refused(text, "suffix");
    }
    for text in ["e2147483648", "1e4294967297", "1e-2147483648", "1E9223372036854775808", "1e+-3"] {
        assert!(text.parse::<Quantity>().is_err(), "{text}");
    }
    check_refused("10e2147483647", "numeric");
}

#[test]
fn a_lone_suffix_is_zero_where_kubernetes_says_so() {
    for text in ["-", "+", ".", "-.", "m", "E", "Ti", ".Ti", "e3", "e-9", ".e-9", "e2147483647"] {
        assert!(quantity(text).is_zero(), "{text}");
    }
    for text in ["Pi", "Ei", ".Ei", "-Pi", "e-10", "e-1000"] {
        check_refused(text, "numeric");
    }
}

#[test]
fn the_canonical_form_has_the_largest_suffix_and_no_fraction() {
    for (text, canonical) in [
        ("1024Mi", "1Gi"),
        ("307200Ki", "300Mi"),
        ("6Ki", "6Ki"),
        ("1025024Mi", "1001Gi"),
        ("0.5Gi", "512Mi"),
        ("1.5Gi", "1536Mi"),
        ("1000m", "1"),
        ("1.5", "1500m"),
        ("1.08", "1080m"),
        ("1080000000n", "1080m"),
        ("1000M", "1G"),
        ("0.001T", "1G"),
        ("1234567M", "1234567M"),
        ("300M", "300M"),
        ("1000u", "1m"),
        (".001e12", "1e9"),
        ("0.001e0", "1e-3"),
        ("1000e-12", "1e-9"),
        ("80e-3", "80e-3"),
        ("1e3", "1e3"),
        ("1E4", "10e3"),
        ("5e0", "5"),
        ("00", "0"),
        ("0e5", "0"),
        ("1e1000", "10e999"),
        ("5e2147483647", "50e2147483646"),
    ] {
        check_printed(text, canonical);
    }
}

#[test]
fn what_binary_suffixes_cannot_print_is_printed_in_decimal() {
    for (text, canonical) in [
        (".001Ki", "1024m"),
        (".000001Ki", "1024u"),
        (".000000001Ki", "1024n"),
        (".000000000001Ki", "2n"),
        ("100.035Ki", "102435840m"),
        ("7.99Ei", "9211842821808707338240m"),
    ] {
        check_printed(text, canonical);
    }
    for (value, canonical) in [
        (5, "5"),
        (1023, "1023"),
        (1024, "1Ki"),
        (1025, "1025"),
        (2000, "2000"),
        (-2000, "-2000"),
        (-2048, "-2Ki"),
    ] {
        assert_eq!(Quantity::new(value, BinarySi).to_string(), canonical);
    }
    assert_eq!(Quantity::from_milli(500, BinarySi).to_string(), "500m");
    assert_eq!(Quantity::from_milli(1_234_567, BinarySi).to_string(), "1234567m");
}

#[test]
fn amounts_beyond_the_last_suffix_keep_their_magnitude() {
    check_printed("1000E", "1e21");
    check_printed("1000000E", "1e24");
    let exa = quantity("1Ei");
    let sum: Quantity = std::iter::repeat_n(exa, 1024).sum();
    assert_eq!(sum.to_string(), "1180591620717411303424");
    assert_eq!(quantity("1e70").with_format(BinarySi).to_string(), "10e69");
    assert_eq!(quantity("1e72").with_format(BinarySi).to_string(), "1e72");
}

#[test]
fn the_server_keeps_some_texts_as_they_are() {
    for text in ["1.250", "+1", "1E3", "1e+3", "01", "1.", "1.500k", "01Ki", "+1020Ki", "-5m", "100m"] {
        assert_eq!(normalize(text).unwrap(), text);
    }
    for (text, stored) in [
        ("0.250", "250m"),
        ("1.5", "1500m"),
        ("1.000", "1"),
        ("1000", "1k"),
        ("1024Mi", "1Gi"),
        ("8Ki", "8Ki"),
        ("+0", "0"),
        ("1.5Gi", "1536Mi"),
        ("1234567890123456789m", "1234567890123456789m"),
    ] {
        assert_eq!(normalize(text).unwrap(), stored, "{text}");
    }
    assert!(normalize("1 ").is_err());
}

#[test]
fn values_are_rounded_away_from_zero_and_saturate() {
    for (text, value, milli) in [
        ("0", 0, 0),
        ("1", 1, 1000),
        ("1001m", 2, 1001),
        ("-1001m", -2, -1001),
        ("1n", 1, 1),
        ("-1n", -1, -1),
        ("1.0005", 2, 1001),
        ("64Mi", 67_108_864, 67_108_864_000),
        ("9223372036854775807", i64::MAX, i64::MAX),
        ("9223372036854775.807", 9_223_372_036_854_776, i64::MAX),
        ("9223372036854775808", i64::MAX, i64::MAX),
        ("-9223372036854775808", i64::MIN, i64::MIN),
        ("-1e30", i64::MIN, i64::MIN),
        ("1e2147483647", i64::MAX, i64::MAX),
    ] {
        assert_eq!((quantity(text).value(), quantity(text).milli_value()), (value, milli), "{text}");
    }
}

#[test]
fn zero_takes_the_format_of_what_is_added() {
    for text in ["100m", "1Gi", "5e3"] {
        assert_eq!((quantity(text) + quantity("0")).to_string(), text);
        assert_eq!((quantity("0") + quantity(text)).to_string(), text);
        assert_eq!((quantity(text) - quantity("0")).to_string(), text);
        assert_eq!((quantity("0") - quantity(text)).to_string(), format!("-{text}"));
    }
    assert_eq!((quantity("1Gi") + quantity("1")).to_string(), "1073741825");
    assert_eq!((quantity("1Gi") + quantity("0.5")).to_string(), "1073741824500m");
}

#[test]
fn sums_that_need_too_many_digits_are_rounded_away_from_zero() {
    let (huge, one) = (quantity("1e60"), quantity("1"));
    assert_eq!(huge + one, quantity("100000000000000000000000000000000000001e22"));
    assert_eq!(huge - one, huge);
    assert_eq!(huge - quantity("1.5e22"), quantity("99999999999999999999999999999999999999e22"));
    assert_eq!(-(huge - one), one - huge);
    let max = quantity(&i128::MAX.to_string());
    assert!(max + max > max && (max + max) - max >= max);
    assert_eq!(max - max, Quantity::ZERO);
    let top = quantity("9e2147483647");
    assert!(top + top > top && -top - top < -top);
    assert!(top + one >= top);
}

#[test]
fn order_is_by_value_over_all_magnitudes() {
    let ascending = [
        "-1e2147483647",
        "-1e40",
        "-1Ei",
        "-1.1",
        "-1",
        "-1n",
        "0",
        "1n",
        "50m",
        "100m",
        "100Gi",
        "10000T",
        "1e40",
        "170000000000000000000000000000000000001e2",
        "9e40",
        "1e2147483647",
    ];
    for (i, left) in ascending.iter().enumerate() {
        for (j, right) in ascending.iter().enumerate() {
            assert_eq!(quantity(left).cmp(&quantity(right)), i.cmp(&j), "{left} {right}");
        }
    }
}

#[test]
fn equal_amounts_hash_equally_whatever_their_format() {
    let hash = |text: &str| {
        let mut hasher = DefaultHasher::new();
        quantity(text).hash(&mut hasher);
        hasher.finish()
    };
    assert_eq!(quantity("1024"), quantity("1Ki"));
    assert_eq!(hash("1024"), hash("1Ki"));
    assert_eq!(hash("1000m"), hash("1e0"));
    assert_eq!(hash("0Ki"), hash("-0"));
}

#[test]
fn json_is_a_string_or_a_number() {
    for (json, canonical) in [
        ("\"100m\"", "100m"),
        ("\" 1Gi \"", "1Gi"),
        ("5", "5"),
        ("-5", "-5"),
        ("0.25", "250m"),
        ("18446744073709551615", "18446744073709551615"),
        ("1e21", "1e21"),
        ("null", "0"),
    ] {
        let read: Quantity = serde_json::from_str(json).unwrap();
        assert_eq!(read.to_string(), canonical, "{json}");
        assert_eq!(serde_json::to_string(&read).unwrap(), format!("\"{canonical}\""));
    }
    assert!(serde_json::from_str::<Quantity>("\"1x\"").is_err());
    assert!(serde_json::from_str::<Quantity>("true").is_err());
}

fn well_formed() -> impl Strategy<Value = String> {
    "[+-]?[0-9]{1,25}(\\.[0-9]{0,25})?(|n|u|m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei|[eE][+-]?[0-9]{1,3})"
}

proptest! {
    #[test]
    fn what_is_as_printed_is_printed_so(text in "[1-9]?[0-9]{0,4}[0-9]{0,5}(|m|k|[KMG]i|Ei|n)") {
        if super::parse::is_as_printed(&text) {
            prop_assert_eq!(quantity(&text).to_string(), text);
        }
    }

    #[test]
    fn printing_loses_nothing(text in well_formed()) {
        let parsed = quantity(&text);
        let printed = parsed.to_string();
        prop_assert_eq!(quantity(&printed), parsed);
        prop_assert_eq!(quantity(&printed).to_string(), printed);
    }

    #[test]
    fn the_stored_text_has_the_same_value(text in well_formed()) {
        let stored = normalize(&text).unwrap();
        prop_assert_eq!(quantity(&stored), quantity(&text));
        prop_assert_eq!(normalize(&stored).unwrap(), stored.as_ref());
    }

    #[test]
    fn no_text_panics(text in "\\PC{0,40}") {
        let _ = text.parse::<Quantity>();
        let _ = normalize(&text);
    }

    #[test]
    fn no_text_of_the_alphabet_panics(text in "[-+.0-9eEinumkKMGTP]{0,24}") {
        if let Ok(quantity) = text.parse::<Quantity>() {
            let _ = (quantity.value(), quantity.milli_value(), quantity.to_string(), normalize(&text));
            let _ = (quantity + quantity, quantity - quantity);
        }
    }

    #[test]
    fn arithmetic_and_order_are_those_of_integers(a: i64, b: i64, p in 0_u32..10, q in 0_u32..10) {
        let nano = |value: i64, power: u32| i128::from(value) * 10_i128.pow(power);
        let exact = |value: i128| quantity(&format!("{value}n"));
        let (x, y) = (exact(nano(a, p)), exact(nano(b, q)));
        prop_assert_eq!(x.cmp(&y), nano(a, p).cmp(&nano(b, q)));
        prop_assert_eq!(x + y, exact(nano(a, p) + nano(b, q)));
        prop_assert_eq!(x - y, exact(nano(a, p) - nano(b, q)));
        prop_assert_eq!(x.sub_to_zero(y), exact((nano(a, p) - nano(b, q)).max(0)));
    }

    #[test]
    fn order_is_total_and_sums_never_shrink(a in well_formed(), b in well_formed(), c in well_formed()) {
        let (a, b, c) = (quantity(&a), quantity(&b), quantity(&c));
        prop_assert_eq!(a.cmp(&b), b.cmp(&a).reverse());
        prop_assert_eq!(a.cmp(&b) == Ordering::Equal, a == b);
        if a <= b && b <= c {
            prop_assert!(a <= c);
        }
        prop_assert_eq!(a + b, b + a);
        if !b.is_negative() {
            prop_assert!(a + b >= a);
        }
    }

    #[test]
    fn rounded_values_are_the_next_integer(milli: i64) {
        let quantity = Quantity::from_milli(milli, DecimalSi);
        prop_assert_eq!(quantity.milli_value(), milli);
        let away = milli / 1000 + (milli % 1000).signum();
        prop_assert_eq!(quantity.value(), away);
    }
}
