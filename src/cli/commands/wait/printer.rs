//! Prints a wait: lines on standard output or a bar on standard error, and the result.

use std::io::{self, Write};

use crate::app::now::Now;
use crate::app::session::window::Progress;
use crate::cli::commands::wait::bar;
use crate::cli::commands::wait::lines::Lines;
use crate::cli::commands::wait::status::WaitStatus;
use crate::cli::commands::wait::tracker::Reached;
use crate::domain::text::clean;
use crate::runtime::notify::Notifier;
use crate::ui::theme::{Theme, plain};

/// Moves to the first column and clears the line.
const CLEAR_LINE: &str = "\r\u{1b}[K";

/// A terminal that a bar is drawn on.
pub struct Screen {
    pub theme: Theme,
    pub notifier: Notifier,
    /// Its current width; 0 while it belongs to another program.
    pub columns: Box<dyn Fn() -> usize + Send>,
}

/// How a wait shows its status.
pub enum Form {
    Lines,
    Bar(Screen),
}

/// Prints one wait; fails where standard output or standard error is closed.
pub struct Printer {
    out: Box<dyn Write + Send>,
    err: Box<dyn Write + Send>,
    form: Form,
    ascii: bool,
    lines: Lines,
    drawn: Option<String>,
    progress: Progress,
}

impl Printer {
    /// A printer for two streams.
    pub fn new(
        out: Box<dyn Write + Send>,
        err: Box<dyn Write + Send>,
        form: Form,
        ascii: bool,
    ) -> Self {
        Self {
            out,
            err,
            form,
            ascii,
            lines: Lines::default(),
            drawn: None,
            progress: Progress::None,
        }
    }

    /// Whether it draws what changes with time alone.
    pub fn is_live(&self) -> bool {
        matches!(self.form, Form::Bar(_))
    }

    /// Whether the terminal belongs to another program: this one was started with `&`, or continued with `bg`.
    pub fn is_in_background(&self) -> bool {
        matches!(&self.form, Form::Bar(screen) if (screen.columns)() == 0)
    }

    /// Redraws the bar next time: the terminal may have lost it.
    pub fn invalidate(&mut self) {
        self.drawn = None;
    }

    /// Shows the status if it differs from what is shown.
    pub fn show(&mut self, status: &WaitStatus<'_>, began: Now) -> io::Result<()> {
        match &self.form {
            Form::Lines => match self.lines.next_line(status) {
                Some(line) => self.print(&line),
                None => Ok(()),
            },
            Form::Bar(screen) => {
                let columns = (screen.columns)();
                if columns == 0 {
                    self.drawn = None;
                    return Ok(());
                }
                // The last column stays free, so that the cursor does not wrap.
                let line = bar::draw(status, began, screen.theme, columns.saturating_sub(1));
                let mut out = String::new();
                let progress = status.progress();
                if progress != self.progress {
                    out.push_str(&screen.notifier.progress(progress));
                    self.progress = progress;
                }
                if self.drawn.as_ref() != Some(&line) {
                    out.push_str(&format!("{CLEAR_LINE}{line}"));
                    self.drawn = Some(line);
                }
                if out.is_empty() {
                    return Ok(());
                }
                self.err.write_all(out.as_bytes())?;
                self.err.flush()
            }
        }
    }

    /// Prints a message on standard error.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        self.clear()?;
        let line = self.printable(text);
        writeln!(self.err, "skeys: {line}")?;
        self.err.flush()
    }

    /// Prints the result on standard output.
    pub fn reached(&mut self, status: &WaitStatus<'_>, how: Reached, began: Now) -> io::Result<()> {
        self.clear()?;
        let recovery = self.lines.recovery(status.now);
        self.print(&status.reached(how, began, recovery))
    }

    /// Rings the bell and sends a terminal notification.
    pub fn notify(&mut self, title: &str, text: &str) -> io::Result<Option<Notifier>> {
        let Form::Bar(screen) = &self.form else { return Ok(None) };
        let notifier = screen.notifier;
        self.err.write_all(notifier.sequence(title, text).as_bytes())?;
        self.err.flush()?;
        Ok(Some(notifier))
    }

    /// Clears the bar and the terminal's progress.
    pub fn clear(&mut self) -> io::Result<()> {
        let Form::Bar(screen) = &self.form else { return Ok(()) };
        if (screen.columns)() == 0 {
            self.drawn = None;
            return Ok(());
        }
        let mut out = String::new();
        if self.progress != Progress::None {
            out.push_str(&screen.notifier.progress(Progress::None));
            self.progress = Progress::None;
        }
        if self.drawn.take().is_some() {
            out.push_str(CLEAR_LINE);
        }
        self.err.write_all(out.as_bytes())?;
        self.err.flush()
    }

    fn print(&mut self, line: &str) -> io::Result<()> {
        let line = self.printable(line);
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    fn printable(&self, text: &str) -> String {
        let text = clean(text);
        if self.ascii { plain(&text) } else { text }
    }
}
