//! The current run: sign-in, window title and progress, and the end of the program.

pub mod quit;
pub mod state;
pub mod text;
pub mod window;
