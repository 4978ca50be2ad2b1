// Package smtpd is the SMTP server edge of the gateway: the MX face, which
// takes mail from strangers for our own addresses, and the submission face,
// which takes mail from authenticated staff. Both rest on emersion/go-smtp,
// which never touches the network itself: a guard stands between and yields
// it one checked command line at a time.
package smtpd
