package storagetest

var alertTests = []named{}
