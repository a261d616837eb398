//! A program that the API server refuses something, as its log says: `pods is forbidden: User
//! "system:serviceaccount:shop:default" cannot list resource "pods" in API group ""`
//! (k8s.io/apiserver, `ForbiddenMessage`).

use crate::cause::Cause;

/// Says of what a program may not do which right it lacks.
pub(super) fn explain(of_pods: &mut [Cause]) {
    for cause in of_pods {
        let said = cause.detail.clone();
        let Some(Refusal { namespace, account, verb, resource, place }) = refusal(&said) else {
            continue;
        };
        let default = match account {
            "default" => " (set serviceAccountName: it runs as the default ServiceAccount)",
            _ => "",
        };
        let place = match place {
            Some(place) => format!("-n {place}"),
            None => "--all-namespaces".to_owned(),
        };
        cause.hint = format!(
            "grant {verb} on {resource} to ServiceAccount {account}{default}: kubectl auth can-i {verb} \
                {resource} {place} --as=system:serviceaccount:{namespace}:{account}"
        );
    }
}

struct Refusal<'a> {
    namespace: &'a str,
    account: &'a str,
    verb: &'a str,
    resource: &'a str,
    /// The namespace in which it was refused; none for the cluster.
    place: Option<&'a str>,
}

fn refusal(line: &str) -> Option<Refusal<'_>> {
    let user = line.split_once("system:serviceaccount:")?.1;
    let (user, rest) = user.split_once(['"', '\\'])?;
    let (namespace, account) = user.split_once(':')?;
    let verb = rest.split_once("cannot ")?.1;
    let (verb, rest) = verb.split_once(" resource ")?;
    let resource = quoted(rest)?;
    let place = rest.split_once("in the namespace ").and_then(|(_, rest)| quoted(rest));
    let plain = |word: &str| {
        !word.is_empty()
            && word.chars().all(|one| one.is_ascii_alphanumeric() || "-./".contains(one))
    };
    let words = [namespace, account, verb, resource, place.unwrap_or(resource)];
    let refusal = Refusal { namespace, account, verb, resource, place };
    words.iter().all(|word| plain(word)).then_some(refusal)
}

/// A word in quotes, which JSON escapes.
fn quoted(text: &str) -> Option<&str> {
    text.trim_start_matches(['"', '\\']).split(['"', '\\']).next()
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn the_words_of_the_api_server_name_the_right() {
        let line = "pods is forbidden: User \"system:serviceaccount:shop:app\" cannot list resource \
            \"pods\" in API group \"\" in the namespace \"shop\"";
        for line in [line.to_owned(), line.replace('"', "\\\"")] {
            let said = refusal(&line).unwrap();
            assert_eq!((said.namespace, said.account), ("shop", "app"));
            assert_eq!((said.verb, said.resource, said.place), ("list", "pods", Some("shop")));
        }
        assert!(refusal("403 forbidden").is_none());
        assert!(refusal("system:serviceaccount:a:b\" cannot $(x) resource \"pods\"").is_none());
    }
}
