//! Fuzz targets: properties that are tried with changed copies of real inputs, for `SKEYS_FUZZ_SECONDS` each.

use std::panic::Location;
use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, TestCaseResult, TestRunner};

use crate::clock::Clock;

/// Tries a property with so many inputs; with more, if `SKEYS_FUZZ_SECONDS` sets a time, and then prints how many there
/// were and how long the slowest took.
#[track_caller]
pub fn fuzz<S: Strategy>(cases: u32, input: &S, property: impl Fn(S::Value) -> TestCaseResult) {
    let source_file = Some(Location::caller().file());
    let seconds = std::env::var("SKEYS_FUZZ_SECONDS").ok().map(|text| text.parse().unwrap());
    let time = Duration::from_secs(seconds.unwrap_or_default());
    let clock = Clock::machine();
    let (mut executions, mut slowest) = (0_u64, Duration::ZERO);
    loop {
        let config = Config { source_file, ..crate::property_cases(cases) };
        let counted = std::cell::Cell::new((0, Duration::ZERO));
        let result = TestRunner::new(config).run(input, |input| {
            let start = clock.monotonic();
            let result = property(input);
            let (count, slowest) = counted.get();
            counted.set((count + 1, slowest.max(clock.monotonic().saturating_sub(start))));
            result
        });
        result.unwrap_or_else(|failure| panic!("{failure}"));
        executions += counted.get().0;
        slowest = slowest.max(counted.get().1);
        if clock.monotonic() >= time {
            break;
        }
    }
    if seconds.is_some() {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or_default();
        println!("{name}: {executions} executions in {time:?}, the slowest took {slowest:?}");
    }
}

/// Words that readers trip over.
const WORDS: [&str; 60] = [
    "",
    " ",
    "\n",
    "\r",
    "\r\n",
    "\t",
    "\0",
    "\u{1b}[2J",
    "\u{7f}",
    "\u{85}",
    "\u{a0}",
    "\u{ad}",
    "\u{202e}",
    "\u{2028}",
    "\u{feff}",
    "\u{fffd}",
    "\u{3164}",
    "a\u{301}",
    "\u{1f469}\u{200d}\u{1f680}",
    "\\",
    "\\ud800",
    "\\u0000",
    "\"",
    "'",
    "`",
    ",",
    ":",
    ": ",
    "?",
    "? ",
    "- ",
    "#",
    " #",
    "&a ",
    "*a",
    "<<: ",
    "!!binary ",
    "!t ",
    "%",
    "@",
    "|\n",
    ">-\n",
    "|2-\n",
    "---\n",
    "...\n",
    "%YAML 1.2\n---\n",
    "{",
    "}",
    "[",
    "]",
    "{}",
    "[]",
    "null",
    "~",
    "true",
    "-1",
    "1e999",
    "0x7f",
    "18446744073709551616",
    ".nan",
];

/// What a change is about.
#[derive(Debug, Clone, Copy)]
enum Unit {
    Byte,
    /// Letters and digits, blanks, or one other byte.
    Token,
    Line,
}

/// Bytes that a repeated part has at most.
const LONGEST_REPEAT: usize = 20_000;

#[derive(Debug, Clone)]
enum Edit {
    Remove,
    RemoveRest,
    Repeat(u16),
    Insert(Vec<u8>),
    Replace(Vec<u8>),
    Swap(Index),
    /// A part of another input follows.
    Splice(Index, Index),
}

/// Copies of the seeds with a few changes: parts removed, repeated, swapped, taken from another seed, or replaced by
/// words of the format or by words that readers trip over. One in 16 is not a copy, but random bytes.
pub fn changed<S: AsRef<[u8]> + Clone + 'static>(
    seeds: impl IntoIterator<Item = S>,
    words: &[&str],
) -> impl Strategy<Value = Vec<u8>> {
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|seed| seed.as_ref().to_vec()).collect();
    let of_format: Vec<Vec<u8>> = words.iter().map(|word| word.as_bytes().to_vec()).collect();
    let general: Vec<Vec<u8>> = WORDS.iter().map(|word| word.as_bytes().to_vec()).collect();
    let word = prop_oneof![
        6 => select(of_format),
        6 => select(general),
        2 => vec(any::<u8>(), 1..4),
        1 => (select(&b"[{-x0 \n&\"\x1b"[..]), 1_usize..40_000).prop_map(|(byte, count)| vec![byte; count]),
    ];
    let edit = prop_oneof![
        3 => Just(Edit::Remove),
        1 => Just(Edit::RemoveRest),
        1 => prop_oneof![4 => 2_u16..5, 1 => 2_u16..2_000].prop_map(Edit::Repeat),
        3 => word.clone().prop_map(Edit::Insert),
        4 => word.prop_map(Edit::Replace),
        2 => any::<Index>().prop_map(Edit::Swap),
        1 => any::<(Index, Index)>().prop_map(|(seed, part)| Edit::Splice(seed, part)),
    ];
    let unit = prop_oneof![1 => Just(Unit::Byte), 4 => Just(Unit::Token), 2 => Just(Unit::Line)];
    let edits = vec((unit, any::<Index>(), edit), 0..6);
    let copies = (any::<Index>(), edits).prop_map(move |(seed, edits)| {
        let mut bytes = seed.get(&seeds).clone();
        for (unit, at, edit) in edits {
            bytes = apply(&bytes, unit, at, &edit, &seeds);
        }
        bytes
    });
    prop_oneof![15 => copies, 1 => any::<Vec<u8>>()]
}

/// As [`changed`], as text.
pub fn changed_text<S: AsRef<[u8]> + Clone + 'static>(
    seeds: impl IntoIterator<Item = S>,
    words: &[&str],
) -> impl Strategy<Value = String> {
    changed(seeds, words).prop_map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

fn apply(bytes: &[u8], unit: Unit, at: Index, edit: &Edit, seeds: &[Vec<u8>]) -> Vec<u8> {
    let mut parts = parts(bytes, unit);
    if parts.is_empty() {
        parts.push(b"");
    }
    let (at, mut copied) = (at.index(parts.len()), Vec::new());
    match edit {
        Edit::Remove => parts[at] = b"",
        Edit::RemoveRest => parts.truncate(at),
        Edit::Repeat(times) => {
            let most = LONGEST_REPEAT / parts[at].len().max(1);
            copied = parts[at].repeat(usize::from(*times).min(most.max(1)));
        }
        Edit::Insert(word) => copied = [word, parts[at]].concat(),
        Edit::Replace(word) => copied.clone_from(word),
        Edit::Swap(other) => {
            let other = other.index(parts.len());
            parts.swap(at, other);
        }
        Edit::Splice(seed, part) => {
            let others = self::parts(seed.get::<Vec<u8>>(seeds), unit);
            copied = [parts[at], part.get::<&[u8]>(&others)].concat();
        }
    }
    if !copied.is_empty() {
        parts[at] = &copied;
    }
    parts.concat()
}

fn parts(bytes: &[u8], unit: Unit) -> Vec<&[u8]> {
    match unit {
        Unit::Byte => bytes.chunks(1).collect(),
        Unit::Token => {
            let class = |byte: &u8| match byte {
                b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'_' => 1,
                b' ' => 2,
                128.. => 3,
                _ => 0,
            };
            bytes.chunk_by(|a, b| class(a) != 0 && class(a) == class(b)).collect()
        }
        Unit::Line => bytes.split_inclusive(|byte| *byte == b'\n').collect(),
    }
}
