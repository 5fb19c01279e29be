//! The findings of a preflight, each with a sign.

use ratatui::text::Line;

use crate::app::cell::Tone;
use crate::app::rotation::findings_text;
use crate::domain::preflight::{Finding, FindingMark};
use crate::ui::line_context::LineContext;

/// Sign and tone of a finding.
pub const SIGNS: [(FindingMark, &str, Tone); 4] = [
    (FindingMark::Fine, "✓", Tone::Good),
    (FindingMark::Note, "!", Tone::Warn),
    (FindingMark::Refused, "✗", Tone::Bad),
    (FindingMark::Unknowable, "?", Tone::Dim),
];

/// The lines of findings.
pub fn lines<'a>(
    findings: impl IntoIterator<Item = &'a Finding>,
    cx: LineContext<'_>,
) -> Vec<Line<'static>> {
    let line = |finding: &Finding| {
        let (_, sign, tone) = SIGNS
            .into_iter()
            .find(|(mark, _, _)| *mark == finding.mark())
            .unwrap_or((FindingMark::Unknowable, "?", Tone::Dim));
        let tone = if finding.breaks() { Tone::Bad } else { tone };
        cx.marked(sign, tone, &findings_text::finding(finding))
    };
    findings.into_iter().flat_map(line).collect()
}
