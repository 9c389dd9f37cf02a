//! The hosts of each of Microsoft's clouds, besides those that people sign in at.

use atthene_core::provider::Cloud;

/// Where Microsoft Graph answers.
pub(super) fn graph(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Global => "graph.microsoft.com",
        Cloud::UsGovernmentL4 => "graph.microsoft.us",
        Cloud::UsGovernmentL5 => "dod-graph.microsoft.us",
        Cloud::China => "microsoftgraph.chinacloudapi.cn",
    }
}

/// Where apps are registered.
pub(super) fn portal(cloud: Cloud) -> &'static str {
    match cloud {
        Cloud::Global => "portal.azure.com",
        Cloud::UsGovernmentL4 | Cloud::UsGovernmentL5 => "portal.azure.us",
        Cloud::China => "portal.azure.cn",
    }
}
