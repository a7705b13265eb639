from hypothesis import settings

settings.register_profile("cnamm-scan", deadline=None)  # a busy machine is no failure
settings.load_profile("cnamm-scan")
