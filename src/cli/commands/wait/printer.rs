//! Where a wait speaks: lines on standard output, or a bar on standard error, and the end of it. It keeps what was said,
//! so that nothing is said twice.

use std::io::{self, Write};

use crate::app::now::Now;
use crate::app::session::window::Progress;
use crate::cli::commands::wait::bar;
use crate::cli::commands::wait::lines::Lines;
use crate::cli::commands::wait::status::WaitStatus;
use crate::cli::commands::wait::tracker::How;
use crate::domain::text::clean;
use crate::runtime::notify::Notifier;
use crate::ui::theme::{Theme, plain};

/// Back to the first column, and everything from there to the end of the line away.
const WIPE: &str = "\r\u{1b}[K";

/// A terminal that a bar is drawn on.
pub struct Screen {
    pub theme: Theme,
    /// What the terminal understands beside text.
    pub notifier: Notifier,
    /// How many columns it has now; none while it belongs to another program.
    pub columns: Box<dyn Fn() -> usize + Send>,
}

/// The form in which a wait shows how things stand.
pub enum Form {
    Lines,
    Bar(Screen),
}

/// Speaks for one wait.
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

    /// Whether it draws what changes by time alone.
    pub fn moves(&self) -> bool {
        matches!(self.form, Form::Bar(_))
    }

    /// Whether the terminal belongs to another program: this one was begun with `&`, or goes on after `bg`.
    pub fn is_in_background(&self) -> bool {
        matches!(&self.form, Form::Bar(screen) if (screen.columns)() == 0)
    }

    /// What was drawn may be gone: it is drawn anew the next time.
    pub fn forget(&mut self) {
        if matches!(self.form, Form::Bar(_)) {
            self.drawn = None;
        }
    }

    /// Shows how things stand, if that looks different from what was shown.
    ///
    /// # Errors
    /// Nobody takes what is written.
    pub fn show(&mut self, standing: &WaitStatus<'_>, began: Now) -> io::Result<()> {
        match &self.form {
            Form::Lines => match self.lines.tell(standing) {
                Some(line) => self.say(&line),
                None => Ok(()),
            },
            Form::Bar(screen) => {
                let columns = (screen.columns)();
                if columns == 0 {
                    self.drawn = None;
                    return Ok(());
                }
                // The last column stays free: a cursor behind it would wrap.
                let columns = columns.saturating_sub(1);
                let line = bar::draw(standing, began, screen.theme, columns);
                let mut out = String::new();
                let progress = standing.progress();
                if progress != self.progress {
                    out.push_str(&screen.notifier.progress(progress));
                    self.progress = progress;
                }
                if self.drawn.as_ref() != Some(&line) {
                    out.push_str(&format!("{WIPE}{line}"));
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

    /// Says something that does not concern how the rotation stands, on standard error.
    ///
    /// # Errors
    /// Nobody takes what is written.
    pub fn note(&mut self, text: &str) -> io::Result<()> {
        self.wipe()?;
        let line = self.as_drawn(text);
        writeln!(self.err, "skeys: {line}")?;
        self.err.flush()
    }

    /// Says how a wait ended well, on standard output.
    ///
    /// # Errors
    /// Nobody takes what is written.
    pub fn reached(&mut self, standing: &WaitStatus<'_>, how: How, began: Now) -> io::Result<()> {
        self.wipe()?;
        let owed = self.lines.owed(standing.now);
        self.say(&standing.reached(how, began, owed))
    }

    /// Rings, and tells the terminal that it is over; a person may look elsewhere.
    ///
    /// # Errors
    /// Nobody takes what is written.
    pub fn ring(&mut self, title: &str, text: &str) -> io::Result<Option<Notifier>> {
        let Form::Bar(screen) = &self.form else { return Ok(None) };
        let notifier = screen.notifier;
        self.err.write_all(notifier.sequence(title, text).as_bytes())?;
        self.err.flush()?;
        Ok(Some(notifier))
    }

    /// Takes the bar and the terminal's progress away.
    ///
    /// # Errors
    /// Nobody takes what is written.
    pub fn wipe(&mut self) -> io::Result<()> {
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
            out.push_str(WIPE);
        }
        self.err.write_all(out.as_bytes())?;
        self.err.flush()
    }

    fn say(&mut self, line: &str) -> io::Result<()> {
        let line = self.as_drawn(line);
        writeln!(self.out, "{line}")?;
        self.out.flush()
    }

    fn as_drawn(&self, text: &str) -> String {
        let text = clean(text);
        if self.ascii { plain(&text) } else { text }
    }
}
