//! Tests over the modules of this folder.
