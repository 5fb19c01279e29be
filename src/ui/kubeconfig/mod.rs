//! The kubeconfig form.

pub mod form;
