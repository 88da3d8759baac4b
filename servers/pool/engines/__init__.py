"""Engine processes: started, watched, ended; what the machine can run."""
