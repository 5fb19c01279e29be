//! What commands print. A reader that has enough is no error; a device that takes nothing is one.

use std::io::{self, ErrorKind, Write as _};

use crate::domain::failure::Failure;

/// Exit status when something could not be printed: `EX_IOERR` of sysexits(3).
pub const NOT_PRINTED: u8 = 74;

/// What a command prints, and how it ends.
#[derive(Debug, PartialEq, Eq)]
pub struct Output {
    /// For standard output.
    pub out: String,
    /// For standard error.
    pub err: String,
    /// Exit status, if it can be printed.
    pub status: u8,
}

impl Output {
    /// Nothing went wrong.
    pub fn success(out: String) -> Self {
        Self { out, err: String::new(), status: 0 }
    }

    /// Only what went wrong.
    pub fn failure(err: String, status: u8) -> Self {
        Self { out: String::new(), err, status }
    }

    /// Prints it; gives the exit status.
    pub fn print(&self) -> u8 {
        print(&self.out, &self.err, self.status)
    }
}

/// Prints to standard output and to standard error; gives the exit status, which is `status` if that works.
pub fn print(out: &str, err: &str, status: u8) -> u8 {
    let printed = write(out);
    // Nothing can be done when nobody takes what goes wrong.
    drop(io::stderr().write_all(err.as_bytes()));
    exit_status(printed, status)
}

/// Prints to standard output.
pub fn write(out: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush())
}

/// The exit status after printing: `status` if that worked or nobody reads it, else [`NOT_PRINTED`], which is reported.
pub fn exit_status(printed: io::Result<()>, status: u8) -> u8 {
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            drop(writeln!(io::stderr(), "skeys: {}", sentence(&error)));
            NOT_PRINTED
        }
        Ok(()) | Err(_) => status,
    }
}

/// What to say when something cannot be printed.
pub fn sentence(error: &io::Error) -> String {
    format!("could not print: {error}")
}

/// An error and what it came from; a [`Failure`] says all by itself.
pub fn describe(error: &anyhow::Error) -> String {
    let mut texts = Vec::new();
    for part in error.chain() {
        texts.push(part.to_string());
        if part.is::<Failure>() {
            break;
        }
    }
    texts.join(": ")
}
