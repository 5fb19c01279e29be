//! Fits text into cells: padding, wrapping, and lines with content at both ends.

use ratatui::text::{Line, Span};
use unicode_segmentation::UnicodeSegmentation;

use crate::domain::text::{cut_end, width};

/// Converts a count to cells; saturates.
pub fn cells(count: usize) -> u16 {
    u16::try_from(count).unwrap_or(u16::MAX)
}

/// Left-aligned text of exactly `columns` columns; truncated if too long.
pub fn pad_end(text: &str, columns: usize) -> String {
    let mut out = cut_end(text, columns);
    let missing = columns.saturating_sub(width(&out));
    out.extend(std::iter::repeat_n(' ', missing));
    out
}

/// Right-aligned text of exactly `columns` columns; truncated if too long.
pub fn pad_start(text: &str, columns: usize) -> String {
    let cut = cut_end(text, columns);
    let mut out = " ".repeat(columns.saturating_sub(width(&cut)));
    out.push_str(&cut);
    out
}

/// Blanks.
pub fn blanks(columns: usize) -> Span<'static> {
    Span::raw(" ".repeat(columns))
}

/// Wraps at whitespace into lines of at most `columns`; longer words are broken. A figure stays with its unit.
pub fn wrap(text: &str, columns: usize) -> Vec<String> {
    let columns = columns.max(1);
    let mut lines = Vec::new();
    let mut line = String::new();
    for group in groups(text, columns) {
        if !line.is_empty() && width(&line) + 1 + width(&group) > columns {
            lines.push(std::mem::take(&mut line));
        }
        if !line.is_empty() {
            line.push(' ');
        }
        if width(&line) + width(&group) <= columns {
            line.push_str(&group);
            continue;
        }
        for grapheme in group.graphemes(true) {
            if !line.is_empty() && width(&line) + width(grapheme) > columns {
                lines.push(std::mem::take(&mut line));
            }
            line.push_str(grapheme);
        }
    }
    if !line.is_empty() {
        lines.push(line);
    }
    lines
}

/// The words of a text; a figure with its unit counts as one: "3h 12m", "6 nodes".
fn groups(text: &str, columns: usize) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let mut before = "";
    for word in text.split_whitespace() {
        match groups.last_mut() {
            Some(group) if is_figure(before, word) && width(group) + 1 + width(word) <= columns => {
                group.push(' ');
                group.push_str(word);
            }
            _ => groups.push(word.to_owned()),
        }
        before = word;
    }
    groups
}

/// Whether two words form one figure: a count and its unit, or parts of a duration.
fn is_figure(before: &str, word: &str) -> bool {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let is_duration = |text: &str| text.strip_suffix(['d', 'h', 'm', 's']).is_some_and(is_number);
    let word = word.trim_end_matches(|c: char| c.is_ascii_punctuation());
    let counted = word.starts_with(char::is_alphabetic);
    is_number(before) && counted || is_duration(before) && is_duration(word)
}

/// Wraps to at most `rows` lines; the last one ends with an ellipsis if text was cut.
pub fn wrap_to(text: &str, columns: usize, rows: usize) -> Vec<String> {
    let mut lines = wrap(text, columns);
    if lines.len() > rows {
        lines.truncate(rows);
        if let Some(last) = lines.last_mut() {
            let mut cut = cut_end(last, columns.saturating_sub(2));
            if !cut.ends_with('…') {
                cut.push_str(" …");
            }
            *last = cut;
        }
    }
    lines
}

/// Puts `mark` before the first line, and indents the others by its width.
pub fn behind(
    mark: impl Into<Line<'static>>,
    lines: impl IntoIterator<Item = impl Into<Line<'static>>>,
) -> Vec<Line<'static>> {
    let mark = mark.into().spans;
    let room = vec![blanks(spans_width(&mark))];
    let marks = std::iter::once(mark).chain(std::iter::repeat(room));
    let line = |(mark, line): (Vec<Span<'static>>, _)| {
        let mut line: Line<'static> = Into::into(line);
        line.spans.splice(0..0, mark);
        line
    };
    marks.zip(lines).map(line).collect()
}

/// Indents lines by `columns` blanks.
pub fn indent(
    lines: impl IntoIterator<Item = impl Into<Line<'static>>>,
    columns: usize,
) -> Vec<Line<'static>> {
    behind(blanks(columns), lines)
}

/// Lines side by side; the right ones start at `columns`.
pub fn beside(
    left: Vec<Line<'static>>,
    right: Vec<Line<'static>>,
    columns: usize,
) -> Vec<Line<'static>> {
    let rows = left.len().max(right.len());
    let (mut left, mut right) = (left.into_iter(), right.into_iter());
    (0..rows)
        .map(|_| {
            let mut spans = left.next().unwrap_or_default().spans;
            spans.push(blanks(columns.saturating_sub(spans_width(&spans))));
            spans.extend(right.next().unwrap_or_default().spans);
            Line::from(spans)
        })
        .collect()
}

/// Width of the spans in columns.
pub fn spans_width(spans: &[Span<'_>]) -> usize {
    spans.iter().map(|span| width(&span.content)).sum()
}

/// Truncates spans to at most `columns`.
pub fn cut_spans(spans: Vec<Span<'static>>, columns: usize) -> Vec<Span<'static>> {
    if spans_width(&spans) <= columns {
        return spans;
    }
    let mut left = columns;
    let mut out = Vec::new();
    for span in spans {
        let wide = width(&span.content);
        if wide <= left {
            left -= wide;
            out.push(span);
        } else {
            // If the previous span already fills the line, its end makes room for the ellipsis.
            if left > 0 {
                out.push(Span::styled(cut_end(&span.content, left), span.style));
            }
            break;
        }
    }
    out
}

/// A line of exactly `columns` columns with content at both ends; the left one is truncated if both do not fit.
pub fn spread(
    left: Vec<Span<'static>>,
    right: Vec<Span<'static>>,
    columns: usize,
) -> Line<'static> {
    let right = cut_spans(right, columns);
    let room = columns.saturating_sub(spans_width(&right));
    let room_left = if right.is_empty() { room } else { room.saturating_sub(1) };
    let mut spans = cut_spans(left, room_left);
    let gap = room.saturating_sub(spans_width(&spans));
    spans.push(blanks(gap));
    spans.extend(right);
    Line::from(spans)
}

/// Joins optional parts as far as they fit, skipping those that do not; each part includes its spacing.
pub fn as_fits(parts: Vec<Vec<Span<'static>>>, columns: usize) -> Vec<Span<'static>> {
    let mut out: Vec<Span<'static>> = Vec::new();
    for part in parts {
        if spans_width(&out) + spans_width(&part) > columns {
            continue;
        }
        out.extend(part);
    }
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use ratatui::text::Span;

    use crate::domain::text::{clean, width};
    use crate::ui::text::{pad_end, pad_start, spread, wrap, wrap_to};

    #[test]
    fn tty_12_wide_characters_count_as_two_columns() {
        assert_eq!(pad_end("漢字", 6), "漢字  ");
        assert_eq!(pad_end("漢字漢字", 5), "漢字…");
        assert_eq!(pad_start("é", 3), "  é");
    }

    #[test]
    fn a_spread_line_keeps_its_right_side() {
        let line = spread(vec![Span::raw("a long left end")], vec![Span::raw("right")], 12);
        assert_eq!(line.to_string(), "a lon… right");
    }

    #[test]
    fn truncated_text_ends_in_an_ellipsis() {
        assert_eq!(wrap("one two three", 7), ["one two", "three"]);
        assert_eq!(wrap_to("one two three", 7, 1), ["one …"]);
    }

    #[test]
    fn a_figure_stays_with_what_it_counts() {
        assert_eq!(wrap("started 3h 12m ago", 11), ["started", "3h 12m ago"]);
        assert_eq!(wrap("about 6 nodes, left", 9), ["about", "6 nodes,", "left"]);
        assert_eq!(wrap("in 3h 12m.", 6), ["in 3h", "12m."], "too long for one line");
        assert_eq!(wrap("see 3 and", 5), ["see", "3 and"]);
    }

    proptest! {
        #![proptest_config(crate::property_cases(256))]

        #[test]
        fn wrapped_lines_fit_and_lose_nothing(text in "[a-z漢 ]{0,60}", columns in 2_usize..20) {
            let lines = wrap(&clean(&text), columns);
            prop_assert!(lines.iter().all(|line| width(line) <= columns));
            let squeeze = |text: &str| text.replace(' ', "");
            prop_assert_eq!(squeeze(&lines.concat()), squeeze(&text));
        }

        #[test]
        fn padded_text_has_exactly_its_columns(text in any::<String>(), columns in 0_usize..20) {
            let text = clean(&text);
            prop_assert_eq!(width(&pad_end(&text, columns)), columns);
            prop_assert_eq!(width(&pad_start(&text, columns)), columns);
        }
    }
}
