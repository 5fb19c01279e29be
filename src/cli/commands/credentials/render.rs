//! The report as a table for the terminal, as JSON and as Markdown.

use crate::app::credentials::report::{self, CredentialsReport};
use crate::app::credentials::text;
use crate::cli::args::Format;
use crate::cli::commands::table::columns;

/// The report in a format, with a trailing newline.
pub(super) fn report(report: &CredentialsReport, format: Format) -> String {
    match format {
        Format::Table => columns_of(report),
        Format::Markdown => report::markdown(report),
        Format::Json => report::json(report),
    }
}

fn columns_of(report: &CredentialsReport) -> String {
    let mut out = format!("{}\n", report::title(report));
    if report.known.is_empty() {
        let incomplete = report.is_incomplete();
        out.push_str(if incomplete { text::NONE_FOUND_READ } else { text::NONE_FOUND });
        out.push('\n');
    } else {
        out.push_str(&columns(&report::inventory(report).shown()));
    }
    for (sign, note) in report::notes(report) {
        out.push_str(&format!("{sign} {note}\n"));
    }
    out
}
