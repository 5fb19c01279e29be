//! Output of commands. A reader that closes the pipe early is no error; a device that refuses output is one.

use std::io::{self, ErrorKind, Write as _};

use crate::domain::failure::Failure;

/// Exit status when something could not be printed: `EX_IOERR` of sysexits(3).
pub const NOT_PRINTED: u8 = 74;

/// Output of a command, and its exit status.
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
    /// Output of a success.
    pub fn success(out: String) -> Self {
        Self { out, err: String::new(), status: 0 }
    }

    /// An error message without output.
    pub fn failure(err: String, status: u8) -> Self {
        Self { out: String::new(), err, status }
    }

    /// Prints it; returns the exit status.
    pub fn print(&self) -> u8 {
        print(&self.out, &self.err, self.status)
    }
}

/// Prints to standard output and standard error; returns `status`, or [`NOT_PRINTED`] as [`exit_status`] does.
pub fn print(out: &str, err: &str, status: u8) -> u8 {
    let printed = write(out);
    // A failure of standard error cannot be reported anywhere.
    drop(io::stderr().write_all(err.as_bytes()));
    exit_status(printed, status)
}

/// Prints to standard output.
pub fn write(out: &str) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(out.as_bytes()).and_then(|()| stdout.flush())
}

/// The exit status after printing: `status` on success or a closed pipe, else [`NOT_PRINTED`], which is reported.
pub fn exit_status(printed: io::Result<()>, status: u8) -> u8 {
    match printed {
        Err(error) if error.kind() != ErrorKind::BrokenPipe => {
            drop(writeln!(io::stderr(), "skeys: {}", sentence(&error)));
            NOT_PRINTED
        }
        Ok(()) | Err(_) => status,
    }
}

/// Message for a failed print.
pub fn sentence(error: &io::Error) -> String {
    format!("could not print: {error}")
}

/// An error with its chain of causes, up to the first [`Failure`], which is complete.
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
