mod expectation;
mod hostile;
mod jq;
mod template;
