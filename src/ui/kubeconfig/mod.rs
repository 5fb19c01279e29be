//! The kubeconfig form.

pub mod form;
pub mod renewal;
