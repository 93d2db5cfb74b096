"""Which path a task takes: rules in the database, asked through OpenFeature, changed live."""
