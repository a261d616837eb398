//! The only room that knows kube: client, error classes, exec, port-forward, pod choice.
