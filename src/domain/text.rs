//! Makes untrusted text safe for a terminal and fits text into columns.

use std::path::Path;

use unicode_segmentation::UnicodeSegmentation;
use unicode_width::UnicodeWidthStr;

/// Longest untrusted text, in characters; longer ones are truncated.
pub const MAX_FOREIGN_TEXT: usize = 2_000;

/// Edit distance of a text from a word, if at most `most`.
pub fn distance_within(text: &str, word: &str, most: usize) -> Option<usize> {
    // The difference in length is a lower bound. Time and memory of the distance are the product of the lengths.
    let difference = text.chars().count().abs_diff(word.chars().count());
    let distance = (difference <= most).then(|| strsim::damerau_levenshtein(text, word))?;
    (distance <= most).then_some(distance)
}

/// The word that a misspelt one most likely means.
pub fn nearest_word<'a>(text: &str, words: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let length = text.chars().count();
    let near = words.filter_map(|word| {
        let most = word.chars().count().max(length).div_euclid(2).min(3);
        Some((distance_within(text, word, most)?, word))
    });
    near.min().map(|(_, word)| word)
}

/// Makes text from servers, files and the clipboard inert for a terminal: control characters become their visible
/// symbols (␛ for escape), bidirectional overrides and zero-width characters become `⟨U+202E⟩`, line ends become one
/// blank, and the length is limited.
pub fn clean(text: &str) -> String {
    // Fast path: nearly all text is plain.
    if text.len() <= MAX_FOREIGN_TEXT && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len().min(MAX_FOREIGN_TEXT * 4));
    let mut previous_blank = false;
    for (position, c) in text.chars().enumerate() {
        if position >= MAX_FOREIGN_TEXT {
            out.push('…');
            break;
        }
        if matches!(c, '\n' | '\r' | '\t') {
            if !previous_blank {
                out.push(' ');
            }
            previous_blank = true;
            continue;
        }
        previous_blank = c == ' ';
        match c {
            '\u{0}'..='\u{1f}' => {
                out.push(char::from_u32(0x2400 + u32::from(c)).unwrap_or('\u{fffd}'));
            }
            '\u{7f}' => out.push('␡'),
            _ if is_invisible(c) => {
                out.push_str(&format!("⟨U+{:04X}⟩", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

/// C1 controls, line separators, and Unicode's default-ignorable characters: bidirectional controls, zero-width
/// characters, variation selectors, fillers, tags. Also the blank Braille pattern.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{80}'..='\u{9f}'
        | '\u{ad}'
        | '\u{34f}'
        | '\u{61c}'
        | '\u{115f}'..='\u{1160}'
        | '\u{17b4}'..='\u{17b5}'
        | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}'
        | '\u{2800}'
        | '\u{3164}'
        | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}'
        | '\u{ffa0}'
        | '\u{fff0}'..='\u{fffb}'
        | '\u{1bca0}'..='\u{1bca3}'
        | '\u{1d173}'..='\u{1d17a}'
        | '\u{e0000}'..='\u{e0fff}')
}

/// Width of a text in terminal columns.
pub fn width(text: &str) -> usize {
    UnicodeWidthStr::width(text)
}

/// Truncates a text in the middle to at most `columns`; names keep their start and end.
pub fn cut_middle(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let tail_columns = (columns - 1) / 2;
    let head = take_columns(text.graphemes(true), columns - 1 - tail_columns);
    let tail: Vec<&str> = take_columns(text.graphemes(true).rev(), tail_columns);
    let mut out: String = head.concat();
    out.push('…');
    out.extend(tail.into_iter().rev());
    out
}

/// Truncates a text at its end to at most `columns`.
pub fn cut_end(text: &str, columns: usize) -> String {
    if width(text) <= columns {
        return text.to_owned();
    }
    if columns == 0 {
        return String::new();
    }
    let mut out = take_columns(text.graphemes(true), columns - 1).concat();
    out.push('…');
    out
}

fn take_columns<'a>(graphemes: impl Iterator<Item = &'a str>, columns: usize) -> Vec<&'a str> {
    let mut used = 0;
    graphemes
        .take_while(|grapheme| {
            used += width(grapheme);
            used <= columns
        })
        .collect()
}

/// "~/.kube/config": a path as a user would type it.
pub fn shown_path(path: &Path, home: Option<&Path>) -> String {
    match home.and_then(|home| path.strip_prefix(home).ok()) {
        Some(rest) => clean(&format!("~/{}", rest.display())),
        None => clean(&path.display().to_string()),
    }
}

/// "1 node", "2 nodes": a count with its noun.
pub fn plural(count: usize, one: &str, many: &str) -> String {
    if count == 1 { format!("1 {one}") } else { format!("{count} {many}") }
}

/// "199,900": a large number, in groups of three digits.
pub fn grouped(number: usize) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// Matches `*` (any run) and `?` (one character); the whole text must match.
pub fn matches_glob(glob: &str, text: &str) -> bool {
    let (mut pattern, mut rest) = (glob.chars(), text.chars());
    // The pattern after the last star, and the text after its current match. Earlier stars need no backtracking.
    let mut star = None;
    loop {
        let unread = rest.clone();
        match (pattern.next(), rest.next()) {
            (None, None) => return true,
            (Some('*'), _) => {
                rest = unread;
                star = Some((pattern.clone(), rest.clone()));
            }
            (Some(wanted), Some(found)) if wanted == '?' || wanted == found => {}
            _ => {
                let Some((behind, tail)) = &mut star else { return false };
                if tail.next().is_none() {
                    return false;
                }
                (pattern, rest) = (behind.clone(), tail.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use crate::domain::text::{
        MAX_FOREIGN_TEXT, clean, cut_end, cut_middle, distance_within, matches_glob, width,
    };

    #[test]
    fn host_01_escape_sequences_become_visible_marks() {
        assert_eq!(clean("a\u{1b}]52;c;eA==\u{7}b"), "a␛]52;c;eA==␇b");
        assert_eq!(clean("x\u{202e}y\u{200b}"), "x⟨U+202E⟩y⟨U+200B⟩");
        assert_eq!(clean("one\r\ntwo"), "one two");
        assert_eq!(clean("as  it ~ is"), "as  it ~ is");
        assert!(clean(&"x".repeat(MAX_FOREIGN_TEXT + 1)).ends_with("x…"));
    }

    #[test]
    fn host_11_invisible_letters_become_visible_marks() {
        for c in "\u{3164}\u{115f}\u{1160}\u{ffa0}\u{fe0f}\u{e0041}\u{e0100}\u{34f}\u{2800}".chars()
        {
            assert_eq!(clean(&format!("a{c}b")), format!("a⟨U+{:04X}⟩b", u32::from(c)));
        }
    }

    #[test]
    fn a_cut_name_keeps_both_ends() {
        assert_eq!(cut_middle("payments-production", 9), "paym…tion");
        assert_eq!(cut_end("payments", 4), "pay…");
        assert_eq!(cut_middle("漢字漢字", 5), "漢…字");
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn clean_text_has_no_control_characters_and_is_stable(text in any::<String>()) {
            let cleaned = clean(&text);
            prop_assert!(cleaned.chars().all(|c| !c.is_control()));
            prop_assert_eq!(clean(&cleaned), cleaned);
        }

        #[test]
        fn globs_match_by_definition(glob in "[ab?*é]{0,9}", text in "[abé]{0,9}") {
            let chars = |text: &str| text.chars().collect::<Vec<_>>();
            let expected = matches_by_definition(&chars(&glob), &chars(&text));
            prop_assert_eq!(matches_glob(&glob, &text), expected);
        }

        #[test]
        fn cuts_fit(text in any::<String>(), columns in 0_usize..40) {
            let text = clean(&text);
            prop_assert!(width(&cut_middle(&text, columns)) <= columns);
            prop_assert!(width(&cut_end(&text, columns)) <= columns);
        }
    }

    #[test]
    fn a_text_of_another_length_is_far_from_a_word_without_a_comparison() {
        assert_eq!(distance_within("drak", "dark", 1), Some(1));
        assert_eq!(distance_within("drak", "light", 3), None);
        // Computing the distance would take 800 GB.
        assert_eq!(distance_within(&"x".repeat(1_000_000), &"x".repeat(100_000), 3), None);
    }

    #[test]
    fn globs_match_whole_names() {
        for (glob, text, expected) in [
            ("*-prod", "shop-prod", true),
            ("*-prod", "shop-prod2", false),
            ("pay?", "pay1", true),
            ("pay?", "pay", false),
            ("*", "", true),
            ("", "a", false),
        ] {
            assert_eq!(matches_glob(glob, text), expected, "{glob} {text}");
        }
    }

    #[test]
    fn a_glob_of_many_stars_takes_no_longer_than_a_plain_one() {
        // Trying every run for every star would take 10^14 steps.
        assert!(!matches_glob(&("*a".repeat(16) + "b"), &"a".repeat(63)));
    }

    /// Follows the definition of a glob.
    fn matches_by_definition(glob: &[char], text: &[char]) -> bool {
        match (glob.split_first(), text.split_first()) {
            (None, rest) => rest.is_none(),
            (Some(('*', rest)), found) => {
                matches_by_definition(rest, text)
                    || found.is_some_and(|(_, tail)| matches_by_definition(glob, tail))
            }
            (Some((wanted, rest)), Some((found, tail))) => {
                (*wanted == '?' || wanted == found) && matches_by_definition(rest, tail)
            }
            (Some(_), None) => false,
        }
    }
}
