"""What the old systems did, each as an app on the core: knowledge, interventions, ecosystem, notion, intents."""
