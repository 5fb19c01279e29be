//! This run of the program: sign-in, what is shown outside the screen, and its end.

pub mod quit;
pub mod state;
pub mod text;
pub mod window;
