mod hostile;
mod jq;
mod template;
mod expectation;
