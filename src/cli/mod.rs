//! Arguments and commands; one file per command.
